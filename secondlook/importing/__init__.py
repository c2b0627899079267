"""What an import hands to a store: sources, their estimates in chunks, and their buckets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from secondlook.domain.bucket_rules import LATENCY_COLUMNS, PRICE_COLUMNS, WEEKS_COLUMN

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

_PRICE_CENTS = (500_00, 1_500_00, 5_000_00)
_LATENCY_DAYS = (3, 8, 22)
_EMPTY = (0, 0, 0, 0)


@dataclass(frozen=True)
class BucketCounts:
    """The buckets of some estimates; those of several chunks add up."""

    price: tuple[int, ...] = _EMPTY
    latency: tuple[int, ...] = _EMPTY
    weeks: Mapping[str, int] = field(default_factory=dict[str, int])

    def __add__(self, other: BucketCounts) -> BucketCounts:
        """The buckets of both."""
        return BucketCounts(
            tuple(map(sum, zip(self.price, other.price, strict=True))),
            tuple(map(sum, zip(self.latency, other.latency, strict=True))),
            dict(Counter(self.weeks) + Counter(other.weeks)),
        )

    def columns(self) -> dict[str, object]:
        """The columns of a row of estimate_buckets."""
        return {
            **dict(zip(PRICE_COLUMNS, self.price, strict=True)),
            **dict(zip(LATENCY_COLUMNS, self.latency, strict=True)),
            WEEKS_COLUMN: [{"week": week, "count": self.weeks[week]} for week in sorted(self.weeks)],
        }


def bucket(estimates: pd.DataFrame) -> BucketCounts:
    """Count estimates by price, latency and week.

    Args:
        estimates: Columns created_at, closed_at (datetime64[us, UTC]) and amount_cents (int64).
    """
    if estimates.empty:
        return BucketCounts()
    days = (estimates["closed_at"] - estimates["created_at"]).dt.floor("D").dt.days
    iso = estimates["closed_at"].dt.isocalendar()
    weeks = (iso["year"] * 100 + iso["week"]).value_counts().to_dict()
    return BucketCounts(
        _banded(estimates["amount_cents"].to_numpy(), _PRICE_CENTS),
        _banded(days.to_numpy(), _LATENCY_DAYS),
        {f"{week // 100:04d}-W{week % 100:02d}": int(count) for week, count in weeks.items()},
    )


def _banded(values: np.ndarray[Any, Any], bounds: tuple[int, ...]) -> tuple[int, ...]:
    import numpy as np

    bands = np.searchsorted(bounds, values, side="right")
    return tuple(int(count) for count in np.bincount(bands, minlength=4))


@dataclass(frozen=True)
class ImportedSource:
    """A source as it was read of a file.

    Attributes:
        chunks: Gives its estimates, some at a time: columns estimate_id, created_at, closed_at, amount_cents,
            status, job_type.
    """

    name: str
    source_type: str
    count: int
    buckets: BucketCounts
    chunks: Callable[[], Iterator[pd.DataFrame]]
