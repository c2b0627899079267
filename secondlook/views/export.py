"""Rows → CSV and JSON, as pages and the command line give them away. Pure.

Spreadsheets run a cell that begins with a sign as a formula. Names, models and messages are untrusted text,
so such a cell gets an apostrophe in front, which makes a spreadsheet take it for text.
"""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import TypeAlias

from secondlook.domain.untrusted_text import clean

Cell: TypeAlias = str | int | float | Decimal | None
"""A value of a table; None is unknown, or there is none."""

_FORMULA = frozenset("=+-@")
_LINES = "\t\r\n"
_INVISIBLE = re.compile("^[\\s\u00ad\u200b-\u200f\u2060-\u2064\ufeff]+")


def to_csv(columns: Sequence[str], rows: Iterable[Mapping[str, Cell]], *, missing: str = "") -> str:
    """A table as CSV (RFC 4180): a line of names, then the rows, each ended by CR LF.

    Args:
        columns: The names of the columns, in their order; a row's other values are left out.
        rows: The values by column. Money comes as Decimal and is written to the last digit.
        missing: The text for None.
    """
    written = io.StringIO()
    lines = csv.writer(written)
    lines.writerow([neutralise(column) for column in columns])
    for row in rows:
        lines.writerow([_cell(row[column], missing) for column in columns])
    return written.getvalue()


def to_csv_file(columns: Sequence[str], rows: Iterable[Mapping[str, Cell]], *, missing: str = "") -> bytes:
    """A table as a CSV file for people: `to_csv` in UTF-8 with a byte order mark.

    Without the mark Excel reads a file in the system's own encoding.
    """
    return to_csv(columns, rows, missing=missing).encode("utf-8-sig")


def to_json(value: object) -> str:
    """A value of mappings, sequences and cells as indented JSON, in ASCII; None is null.

    Decimals become JSON numbers of up to fifteen figures: billionths of dollars below a million.
    """
    return json.dumps(value, indent=2, default=_plain)


def neutralise(text: str) -> str:
    """Return untrusted text for a cell: no formula, and nothing that a file in UTF-8 cannot hold.

    Spaces and invisible characters before a sign are skipped and its full-width form counts, because some
    spreadsheets do the same.
    """
    text = clean(text, keep=_LINES)
    sign = unicodedata.normalize("NFKC", _INVISIBLE.sub("", text)[:1])
    return f"'{text}" if sign in _FORMULA or text.startswith(tuple(_LINES)) else text


def _cell(value: Cell, missing: str) -> str:
    if value is None:
        return missing
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return f"{value:f}"
    return neutralise(value) if isinstance(value, str) else str(value)


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(f"{type(value).__name__} is no JSON")
