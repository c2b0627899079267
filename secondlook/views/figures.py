"""Rows → the figures that pages and the command line show. Pure; rounding never misstates a figure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from typing import TypeVar

from secondlook.domain.batches import Batch
from secondlook.domain.buckets import BandCount, WeekCount
from secondlook.domain.sources import SourceRow
from secondlook.domain.weeks import monday_of, week_of

Entry = TypeVar("Entry", WeekCount, BandCount)

MAX_SPAN = timedelta(weeks=1040)
"""Twenty years: the longest time of which every week is drawn."""


def source_fields(row: SourceRow) -> dict[str, object]:
    """A source as `secondlook sources --json` prints it."""
    return {
        "source_id": row.source.source_id,
        "source_name": row.source.source_name,
        "source_type": row.source.source_type,
        "status": row.source.status,
        "estimate_count": row.estimate_count,
        "confidence_level": row.confidence_level,
        "snapshot_id": row.snapshot_id,
    }


def batch_fields(batch: Batch) -> dict[str, object]:
    """A batch as `secondlook batch --json` prints it."""
    return {
        "batch_id": batch.batch_id,
        "user_id": batch.user_id,
        "status": str(batch.status),
        "runs": batch.total,
        "settled": batch.finished,
        "counts": dict(batch.counts),
        "failures": dict(batch.failures),
        "skipped": dict(batch.skipped),
        "cost_usd": None if batch.cost_usd is None else float(batch.cost_usd),
        "per_minute": batch.per_minute_now,
        "seconds_left": batch.left_s,
        "created_at": batch.created_at,
        "ended_at": batch.ended_at,
    }


def fill_weeks(weeks: Sequence[WeekCount]) -> list[WeekCount]:
    """The covered weeks without gaps: one that the buckets leave out had no closed estimate.

    Where they span more than MAX_SPAN they come as they are: two weeks centuries apart are a slip of the pen.
    """
    if weeks and monday_of(weeks[-1].week) - monday_of(weeks[0].week) > MAX_SPAN:
        return list(weeks)
    filled = list(weeks[:1])
    for before, after in pairwise(weeks):
        missing = monday_of(before.week) + timedelta(weeks=1)
        while missing < monday_of(after.week):
            filled.append(WeekCount(week=week_of(missing), count=0))
            missing += timedelta(weeks=1)
        filled.append(after)
    return filled


def share(count: int, whole: int) -> float:
    """A part of a whole, 0 to 1; 0 of nothing is 0."""
    return count / whole if whole else 0.0


def largest(entries: Sequence[Entry]) -> list[Entry]:
    """The weeks or bands with the most estimates: several where they tie, none where all counts are 0."""
    most = max((entry.count for entry in entries), default=0)
    return [entry for entry in entries if entry.count == most > 0]


def money(dollars: Decimal | None, *, estimated: bool) -> str:
    """Dollars as pages and command line write them: four decimals, or as many as tell them from zero."""
    if dollars is None:
        return "unknown"
    decimals = 4 if dollars == 0 else max(4, 1 - dollars.adjusted())
    return f"{'≈ ' if estimated else ''}${dollars:.{decimals}f}"


def tokens(count: int | None, *, estimated: bool = False, at_least: bool = False) -> str:
    """A number of tokens as people read it.

    Args:
        count: The number; None where it is unknown.
        estimated: Whether it is an estimate.
        at_least: Whether a part of it is unknown.
    """
    if count is None:
        return "unknown"
    return f"{'≥ ' if at_least else ''}{'≈ ' if estimated else ''}{count:,}"


def duration(milliseconds: float) -> str:
    """A time as people say it: milliseconds below a second, with a decimal below ten; seconds above."""
    if milliseconds >= 1000:
        return f"{milliseconds / 1000:.1f} s"
    return f"{milliseconds:.0f} ms" if milliseconds >= 10 else f"{milliseconds:.1f} ms"


def roughly(seconds: float) -> str:
    """A guessed time: seconds up to a minute and a half, then minutes, then hours and minutes."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60:02} min"
