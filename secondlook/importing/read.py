# pyright: basic
"""Reads a CSV or TSV file of estimates: 2ndlook's own columns, or others that a person chooses."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from secondlook.errors import ImportRefused
from secondlook.importing.bucketing import bucket
from secondlook.importing.estimates import (
    MAX_CENTS,
    FirstRow,
    ImportedSource,
    Options,
    Question,
    Reading,
    Refusal,
)

if TYPE_CHECKING:
    import pandas as pd

ROLES = ("estimate_id", "created_at", "closed_at", "amount", "status", "job_type")
DECIDED = frozenset(
    ("closed", "accepted", "approved", "won", "closed won", "closedwon", "converted", "invoiced")
)
_PREVIEW = 5


def read_file(file: Path | bytes, options: Options) -> Reading:
    """Read a file of estimates; every row has a fate.

    Args:
        file: Where it is, or its content.
        options: How to read it.

    Raises:
        ImportRefused: It is no such file.
    """
    table = _table(file)
    header = tuple(str(name) for name in table.columns)
    columns = {role: str(options.columns.get(role, role)) for role in ROLES}
    columns = {role: name for role, name in columns.items() if name in header}
    missing = [role for role in ROLES[:5] if role not in columns]
    if missing:
        questions = tuple(Question(role, f"Which column is {role}?") for role in missing)
        return Reading((), len(table), 0, {}, 0, (), 0, columns, headers=header, questions=questions)
    return _reading(table, header, columns, options)


def _table(file: Path | bytes) -> pd.DataFrame:
    import pandas as pd

    try:
        content = file if isinstance(file, bytes) else file.read_bytes()
        text = content.decode("utf-8-sig")
        line = text.splitlines()[0] if text.strip() else ""
        if not line or "\0" in text:
            raise ImportRefused("The file has no rows of text")
        separator = max(",;\t|", key=line.count)
        return pd.read_csv(io.StringIO(text), sep=separator, dtype=str, keep_default_na=False)
    except OSError as error:
        raise ImportRefused(f"The file cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError):
        raise ImportRefused("The file is no table in UTF-8") from None


def _reading(
    table: pd.DataFrame, header: tuple[str, ...], columns: Mapping[str, str], options: Options
) -> Reading:
    import pandas as pd

    text = {role: table[name].str.strip() for role, name in columns.items()}
    amount = pd.to_numeric(text["amount"].str.replace(r"[^0-9.\-]", "", regex=True), errors="coerce")
    read = pd.DataFrame(
        {
            "estimate_id": text["estimate_id"],
            "created_at": _moments(text["created_at"]),
            "closed_at": _moments(text["closed_at"]),
            "amount_cents": (amount * 100).round(),
        }
    )
    counts = text["status"].str.casefold().isin(DECIDED)
    reason: Any = pd.Series("", index=table.index)
    where: Any = pd.Series("", index=table.index)
    for role, wrong, words in (
        ("estimate_id", read["estimate_id"] == "", "is empty"),
        ("created_at", read["created_at"].isna(), "is no date"),
        ("closed_at", read["closed_at"].isna(), "is no date"),
        ("closed_at", read["closed_at"] < read["created_at"], "is before the estimate was created"),
        ("amount", read["amount_cents"].isna(), "is no amount"),
        ("amount", read["amount_cents"] < 0, "is negative"),
        ("amount", read["amount_cents"] > MAX_CENTS, "is too large"),
    ):
        new = counts & wrong & (reason == "")
        reason[new], where[new] = words, role
    good = counts & (reason == "")
    last = ~read["estimate_id"].where(good).duplicated(keep="last")
    taken = read[good & last].copy()
    taken["amount_cents"] = taken["amount_cents"].astype("int64")
    taken["status"] = "accepted"
    taken["job_type"] = text["job_type"][taken.index].replace("", None) if "job_type" in text else None
    bad = reason[reason != ""].index
    alike = (where + reason).value_counts()
    texts: Any = text
    refused = tuple(
        Refusal(
            line=int(row) + 2,
            column=columns[where[row]],
            reason=str(reason[row]),
            alike=int(alike[where[row] + reason[row]]),
            value=str(texts[where[row]][row]),
        )
        for row in bad
    )
    left_out = text["status"][~counts].replace("", "no status").value_counts()
    source = ImportedSource(
        name=options.name or "Estimates",
        source_type=options.source_type or "csv",
        count=len(taken),
        buckets=bucket(taken),
        chunks=lambda: iter((taken,)),
    )
    return Reading(
        sources=(source,) if len(taken) else (),
        rows=len(table),
        taken=len(taken),
        left_out={f"status {status}": int(count) for status, count in left_out.items()},
        refused_count=len(refused),
        refused=refused,
        repeated=int((good & ~last).sum()),
        columns=columns,
        headers=header,
        first_rows=_first_rows(table, taken, columns),
    )


def _moments(texts: pd.Series[str]) -> pd.Series[pd.Timestamp]:
    import pandas as pd

    found = pd.to_datetime(texts, utc=True, format="ISO8601", errors="coerce")
    return found.astype("datetime64[us, UTC]")


def _first_rows(table: pd.DataFrame, taken: pd.DataFrame, columns: Mapping[str, str]) -> tuple[FirstRow, ...]:
    shown: list[FirstRow] = []
    for row in taken.index[:_PREVIEW]:
        found: Any = taken.loc[row]
        read = {
            "estimate_id": str(found["estimate_id"]),
            "created_at": f"{found['created_at']:%Y-%m-%d %H:%M:%S}",
            "closed_at": f"{found['closed_at']:%Y-%m-%d %H:%M:%S}",
            "amount": f"{found['amount_cents'] / 100:.2f}",
            "status": str(found["status"]),
            "job_type": str(found["job_type"] or ""),
        }
        written = {role: str(table[name][row]) for role, name in columns.items()}
        shown.append(FirstRow(int(row) + 2, written, read, "taken"))
    return tuple(shown)
