"""Estimates as an import hands them to a store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from secondlook.importing.bucketing import BucketCounts, bucket
from secondlook.importing.estimates import ImportedSource

if TYPE_CHECKING:
    Estimate = tuple[str, str, str, int, str | None]

CANARY = "Canary Roofing of Zebulon"
"""A text that only a row of a file has."""


def estimates(number: int, *, start: int = 0, amount: int = 1_000) -> list[Estimate]:
    """So many estimates: id, created, closed, dollars, kind of work."""
    return [
        (
            f"{CANARY} {index}",
            f"2026-03-{index % 28 + 1:02d}T08:00:00Z",
            f"2026-04-{index % 28 + 1:02d}T09:30:00.5Z",
            amount + index,
            f"{CANARY} work" if index % 3 else None,
        )
        for index in range(start, start + number)
    ]


def table(rows: Sequence[Estimate]) -> pd.DataFrame:
    """The table that is bucketed and stored."""
    ids, created, closed, amounts, kinds = zip(*rows, strict=True) if rows else ((),) * 5
    return pd.DataFrame(
        {
            "estimate_id": pd.Series(ids, dtype=object),
            "created_at": pd.to_datetime(list(created), utc=True, format="ISO8601").astype(
                "datetime64[us, UTC]"
            ),
            "closed_at": pd.to_datetime(list(closed), utc=True, format="ISO8601").astype(
                "datetime64[us, UTC]"
            ),
            "amount_cents": pd.Series([amount * 100 for amount in amounts], dtype="int64"),
            "status": pd.Series(["accepted"] * len(rows), dtype=object),
            "job_type": pd.Series(kinds, dtype=object),
        }
    )


def imported(
    rows: Sequence[Estimate], name: str = "Imported", *, chunk: int = 700, fails: Exception | None = None
) -> ImportedSource:
    """A source as it was read of a file, in chunks; reading it may fail after the last one."""

    def chunks() -> Iterator[pd.DataFrame]:
        for start in range(0, len(rows), chunk):
            yield table(rows[start : start + chunk])
        if fails is not None:
            raise fails

    made = BucketCounts() if not rows else bucket(table(rows))
    return ImportedSource(name=name, source_type="csv", count=len(rows), buckets=made, chunks=chunks)
