"""Rules for buckets, before anything is sent (docs/contract.md: Buckets).

Messages name the column and the rule; of a row's content they give sums at the most.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import cast

from secondlook.domain.buckets import (
    AgentInput,
    BandCount,
    Buckets,
    ConfidenceLevel,
    DecisionLatency,
    Demand,
    LatencyBand,
    PriceBand,
    WeekCount,
)
from secondlook.domain.sources import SourceRecord
from secondlook.domain.strict_json import DuplicateKey, read_json
from secondlook.domain.weeks import monday_of, week_of
from secondlook.errors import BucketsInvalid, BucketsMissing, NotEnoughEstimates, SourceNotBucketed

MIN_ESTIMATES = 25
RUNNABLE = "bucketed"
GENERATED = "snapshot_generated"

PRICE_COLUMNS = {
    "price_band_lt_500": PriceBand.LT_500,
    "price_band_500_1500": PriceBand.FROM_500,
    "price_band_1500_5000": PriceBand.FROM_1500,
    "price_band_5000_plus": PriceBand.FROM_5000,
}
LATENCY_COLUMNS = {
    "latency_band_0_2": LatencyBand.DAYS_0_2,
    "latency_band_3_7": LatencyBand.DAYS_3_7,
    "latency_band_8_21": LatencyBand.DAYS_8_21,
    "latency_band_22_plus": LatencyBand.DAYS_22,
}
WEEKS_COLUMN = "weekly_volume"
BUCKET_COLUMNS = (*PRICE_COLUMNS, *LATENCY_COLUMNS, WEEKS_COLUMN)
MAX_COUNT = 2**31 - 1  # the columns are int4; JSON's weeks are held to the same


def check_status(status: str, *, regenerate: bool) -> None:
    """Refuse a source that is not ready; one with a snapshot only goes on when the caller says so.

    Raises:
        SourceNotBucketed: Names the status.
    """
    if status == RUNNABLE or (regenerate and status == GENERATED):
        return
    raise SourceNotBucketed(
        f"Source must be bucketed before snapshot generation (current status: {status})",
        hint="It has a snapshot already; ask for another with `--regenerate` (regenerate=True)."
        if status == GENERATED
        else None,
    )


def read_buckets(row: Mapping[str, object] | None, *, today: date) -> Buckets:
    """Check a buckets row and put it in order: bands as named, weeks by time.

    Args:
        row: The columns of estimate_buckets; weekly_volume as a list or as JSON text.
        today: Today in UTC; a week whose Monday comes after it is refused.

    Raises:
        BucketsMissing: There is no row.
        BucketsInvalid: Names the column and the rule.
    """
    if row is None:
        raise BucketsMissing
    return Buckets(
        price=tuple(_band(row, column, band) for column, band in PRICE_COLUMNS.items()),
        latency=tuple(_band(row, column, band) for column, band in LATENCY_COLUMNS.items()),
        weeks=_weeks(row.get(WEEKS_COLUMN), today),
    )


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value <= MAX_COUNT


def _band(row: Mapping[str, object], column: str, band: str) -> BandCount:
    value = row.get(column)
    if not _is_count(value):
        raise BucketsInvalid(f"{column} must be an integer of at least 0", path=column)
    return BandCount(band=str(band), count=cast("int", value))


def _weeks(value: object, today: date) -> tuple[WeekCount, ...]:
    if isinstance(value, str):
        value = _parsed(value)
    if not isinstance(value, list):
        raise BucketsInvalid(f'{WEEKS_COLUMN} must be a list of {{"week", "count"}}', path=WEEKS_COLUMN)
    counts: dict[date, WeekCount] = {}
    for index, entry in enumerate(cast("list[object]", value)):
        monday, week = _week(entry, f"{WEEKS_COLUMN}[{index}]", today)
        if monday in counts:
            raise BucketsInvalid(f"{WEEKS_COLUMN}[{index}].week comes twice", path=f"{WEEKS_COLUMN}[{index}]")
        counts[monday] = week
    return tuple(counts[monday] for monday in sorted(counts))


def _parsed(text: str) -> object:
    try:
        return read_json(text)
    except DuplicateKey:
        raise BucketsInvalid(f"{WEEKS_COLUMN} has a key twice in one object", path=WEEKS_COLUMN) from None
    except ValueError:
        raise BucketsInvalid(f"{WEEKS_COLUMN} is not valid JSON", path=WEEKS_COLUMN) from None


def _week(entry: object, path: str, today: date) -> tuple[date, WeekCount]:
    if not isinstance(entry, dict) or set(cast("dict[str, object]", entry)) != {"week", "count"}:
        raise BucketsInvalid(f"{path} must have the keys week and count, and no other", path=path)
    fields = cast("dict[str, object]", entry)
    week, count = fields["week"], fields["count"]
    if not _is_count(count):
        raise BucketsInvalid(f"{path}.count must be an integer of at least 0", path=path)
    try:
        monday = monday_of(week if isinstance(week, str) else "")
    except ValueError:
        raise BucketsInvalid(f"{path}.week must be a real ISO week such as 2026-W01", path=path) from None
    if monday > today:
        raise BucketsInvalid(f"{path}.week is in the future", path=path)
    return monday, WeekCount(week=week_of(monday), count=cast("int", count))


def total(counts: Sequence[BandCount | WeekCount]) -> int:
    """The sum of a distribution."""
    return sum(entry.count for entry in counts)


def price_total(row: Mapping[str, object]) -> int | None:
    """The sum of a row's price bands; None where they cannot be read."""
    bands = [row.get(column) for column in PRICE_COLUMNS]
    return sum(cast("list[int]", bands)) if all(_is_count(band) for band in bands) else None


def count_estimates(record: SourceRecord, buckets: Buckets) -> int:
    """The estimate count: rows in estimates_normalized; where it holds none, the sum of the price bands."""
    return record.estimate_rows or total(buckets.price)


def confidence(estimate_count: int) -> ConfidenceLevel:
    """Low below 40 estimates, medium from 40 to 60, high above."""
    if estimate_count < 40:
        return "low"
    return "medium" if estimate_count <= 60 else "high"


def check_minimum(estimate_count: int) -> None:
    """Refuse a source with too few estimates.

    Raises:
        NotEnoughEstimates: Fewer than 25.
    """
    if estimate_count < MIN_ESTIMATES:
        raise NotEnoughEstimates(
            f"Minimum {MIN_ESTIMATES} estimates required for snapshot (found: {estimate_count})"
        )


_DISTRIBUTIONS: tuple[tuple[str, str, Callable[[Buckets], Sequence[BandCount | WeekCount]], str], ...] = (
    (WEEKS_COLUMN, "weekly volume covers", lambda buckets: buckets.weeks, ""),
    (
        " + ".join(PRICE_COLUMNS),
        "price bands cover",
        lambda buckets: buckets.price,
        ": the estimates have probably moved since bucketing",
    ),
    (" + ".join(LATENCY_COLUMNS), "decision latency covers", lambda buckets: buckets.latency, ""),
)
"""Columns, words, the counts, and what a gap most likely means."""


def check_sums(buckets: Buckets, estimate_count: int) -> None:
    """Refuse a distribution of more estimates than there are.

    Raises:
        BucketsInvalid: Names the column or columns.
    """
    for columns, _, counts, _ in _DISTRIBUTIONS:
        covered = total(counts(buckets))
        if covered > estimate_count:
            raise BucketsInvalid(
                f"{columns}: the sum is {covered}, more than the {estimate_count} estimates", path=columns
            )


def uncovered(buckets: Buckets, estimate_count: int) -> tuple[str, ...]:
    """Warnings, in plain words, of distributions of fewer estimates than there are; nothing is repaired."""
    return tuple(
        f"{covers} {total(counts(buckets))} of {estimate_count} estimates{why}"
        for _, covers, counts, why in _DISTRIBUTIONS
        if total(counts(buckets)) < estimate_count
    )


def check_answer_size(answer_tokens: int, max_tokens: int) -> None:
    """Refuse so many weeks that the answer would be cut off, before it is paid for.

    Args:
        answer_tokens: The answer's estimated size.
        max_tokens: SECONDLOOK_MAX_TOKENS.

    Raises:
        BucketsInvalid: Names the estimate and the setting.
    """
    if answer_tokens > max_tokens:
        raise BucketsInvalid(
            f"{WEEKS_COLUMN} has too many weeks: the answer would take about {answer_tokens} tokens, "
            f"SECONDLOOK_MAX_TOKENS is {max_tokens}",
            hint="Raise SECONDLOOK_MAX_TOKENS, or bucket fewer weeks.",
            path=WEEKS_COLUMN,
        )


def build_input(buckets: Buckets, estimate_count: int) -> AgentInput:
    """Exactly what the agent sees: bands from an enum, weeks written from parsed integers, no text."""
    return AgentInput(
        demand=Demand(weekly_volume=buckets.weeks, price_distribution=buckets.price),
        decision_latency=DecisionLatency(distribution=buckets.latency),
        estimate_count=estimate_count,
        confidence_level=confidence(estimate_count),
    )
