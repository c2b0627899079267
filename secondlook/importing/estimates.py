"""What reading a file of estimates returns, before anything is stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from secondlook.importing.bucketing import BucketCounts

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("estimate_id", "created_at", "closed_at", "amount_cents", "status", "job_type")
"""Columns of a chunk: estimate_id (str), created_at and closed_at (datetime64[us, UTC]), amount_cents (int64,
0 to MAX_CENTS), status (`accepted`), job_type (str or missing)."""

MAX_CENTS = 999_999_999_999
"""The most that the column numeric(12, 2) holds."""

Role = Literal[
    "estimate_id", "created_at", "closed_at", "closed_at_2", "amount", "amount_2", "amount_3", "status",
    "job_type", "currency",
]  # fmt: skip
"""What a column is read as. One with a number is read where those before it are blank."""

DateOrder = Literal["dmy", "mdy", "ymd"]


@dataclass(frozen=True)
class Options:
    """What a person says about a file; None and empty mean: as found.

    Attributes:
        name: The source's name; the file's name by default.
        source_type: The source's type, such as `jobber`; as recognized, or `csv`, by default.
        columns: The header of the column for each role; `#3` names the third column; empty: there is none.
        dates: The order of day and month in dates of numbers alone.
        zone: The IANA zone of dates without one.
        decimal: The decimal mark of amounts.
        decided: Statuses that count.
        undecided: Statuses that do not count.
        all_decided: Every row counts: the file has no statuses.
        one_date: The file has no closing date: count weeks of the one date that it has, and no latency.
        window: Only estimates closed within this many days.
        limit: Only so many estimates of each source, the first in the file.
        group_by: The header of a column; each of its values becomes a source.
        sheet: The worksheet; the first visible one by default.
        now: The present time, UTC; dates after it are refused.
    """

    name: str | None = None
    source_type: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict[str, str])
    dates: DateOrder | None = None
    zone: str = "UTC"
    decimal: Literal[".", ","] | None = None
    decided: frozenset[str] = frozenset()
    undecided: frozenset[str] = frozenset()
    all_decided: bool = False
    one_date: bool = False
    window: int | None = None
    limit: int | None = None
    group_by: str | None = None
    sheet: str | None = None
    now: datetime | None = None


@dataclass(frozen=True)
class ImportedSource:
    """A source that a file becomes.

    Attributes:
        name: What to call it.
        source_type: Its type.
        count: How many estimates it has.
        buckets: Their counts; `buckets.row()` has the columns of `estimate_buckets`.
        chunks: Returns its estimates from the start each time it is called, frames with COLUMNS. A source
            without closing dates (`Options.one_date`) has none to store: only its buckets are kept.
    """

    name: str
    source_type: str
    count: int
    buckets: BucketCounts
    chunks: Callable[[], Iterator[pd.DataFrame]] = field(repr=False)


@dataclass(frozen=True)
class Refusal:
    """A refused row.

    Attributes:
        line: Its line in the file (of a worksheet: its row), from 1.
        column: The header of the column that was refused.
        reason: Why, without any text of the row.
        alike: How many rows were refused for this reason in this column.
        value: The column's own value, for the importer's screen alone.
    """

    line: int
    column: str
    reason: str
    alike: int
    value: str = field(repr=False)


@dataclass(frozen=True)
class Question:
    """What a person must say before the file can be stored.

    Attributes:
        about: The role, `dates`, `decimal` or `close_dates`.
        message: What is missing and how to say it.
    """

    about: str
    message: str


@dataclass(frozen=True)
class Note:
    """Lines that are no rows, or a fact about the file.

    Attributes:
        text: What it is, without any text of the file.
        lines: The first of the lines.
        count: How many lines.
    """

    text: str
    lines: tuple[int, ...] = ()
    count: int = 0


@dataclass(frozen=True)
class FirstRow:
    """One of the first rows, as written next to as read.

    Attributes:
        line: Its line in the file.
        written: The cells by role.
        read: What was read by role; empty where the row is not taken.
        fate: `taken`, or why not.
    """

    line: int
    written: Mapping[str, str] = field(repr=False)
    read: Mapping[str, str] = field(repr=False)
    fate: str


@dataclass(frozen=True)
class Reading:
    """A file as read: each row has a fate, and rows = taken + left out + refused + repeated.

    Attributes:
        sources: What it becomes; empty where nothing was taken.
        rows: The rows of the file.
        taken: Rows that become estimates.
        left_out: Rows that do not count, by reason.
        refused_count: Rows that could not be read.
        refused: The first of them, in order of the file.
        repeated: Rows whose estimate comes again further down.
        columns: The header by role.
        headers: The header of every column of the file, in order.
        unknown_statuses: Rows by status that nobody has decided on; they are among the refused.
        questions: What a person must say first; while there is one, nothing may be stored.
        notes: Title lines, totals, encoding and the like.
        first_rows: The first rows.
    """

    sources: Sequence[ImportedSource]
    rows: int
    taken: int
    left_out: Mapping[str, int]
    refused_count: int
    refused: tuple[Refusal, ...]
    repeated: int
    columns: Mapping[str, str]
    headers: tuple[str, ...] = ()
    unknown_statuses: Mapping[str, int] = field(default_factory=dict[str, int], repr=False)
    questions: tuple[Question, ...] = ()
    notes: tuple[Note, ...] = ()
    first_rows: tuple[FirstRow, ...] = field(default=(), repr=False)
