"""Buckets out of estimates: one vectorized function (docs/contract.md: Buckets).

Estimates are pandas frames with the columns of `estimates.COLUMNS`; counts add up over chunks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache
from typing import TYPE_CHECKING

from secondlook.domain.bucket_rules import LATENCY_COLUMNS, PRICE_COLUMNS, WEEKS_COLUMN
from secondlook.domain.buckets import BandCount, Buckets, WeekCount
from secondlook.domain.weeks import week_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    Ints = npt.NDArray[np.int64]

_PRICE_LIMITS = (500_00, 1500_00, 5000_00)  # cents; a limit belongs to the band above it
_LATENCY_LIMITS = (3, 8, 22)  # days
_DAY = 86_400_000_000  # microseconds
_NO_TIME = -(2**63)
_FIRST_MONDAY = date(1, 1, 1)
_DAYS_TO_1970 = 719_162  # from the first Monday
_PENDING = 4_000_000  # keys of weeks that wait to be added up


@dataclass(frozen=True)
class BucketCounts:
    """Counts of estimates by price band, latency band and week; two of them add up.

    Attributes:
        price: Counts of the four price bands, in their order.
        latency: Counts of the four latency bands; an estimate without a closing date is in none.
        weeks: Counts by ISO week, in order of time.
    """

    price: tuple[int, ...] = (0, 0, 0, 0)
    latency: tuple[int, ...] = (0, 0, 0, 0)
    weeks: Mapping[str, int] = field(default_factory=dict[str, int])

    def __add__(self, other: BucketCounts) -> BucketCounts:
        """The counts of both."""
        weeks = {
            week: self.weeks.get(week, 0) + other.weeks.get(week, 0)
            for week in sorted({*self.weeks, *other.weeks})
        }
        return BucketCounts(
            price=tuple(a + b for a, b in zip(self.price, other.price, strict=True)),
            latency=tuple(a + b for a, b in zip(self.latency, other.latency, strict=True)),
            weeks=weeks,
        )

    @property
    def estimate_count(self) -> int:
        """How many estimates were counted."""
        return sum(self.price)

    def buckets(self) -> Buckets:
        """The counts as the domain has them."""
        price = zip(PRICE_COLUMNS.values(), self.price, strict=True)
        latency = zip(LATENCY_COLUMNS.values(), self.latency, strict=True)
        return Buckets(
            price=tuple(BandCount(band=str(band), count=count) for band, count in price),
            latency=tuple(BandCount(band=str(band), count=count) for band, count in latency),
            weeks=tuple(WeekCount(week=week, count=count) for week, count in self.weeks.items()),
        )

    def row(self) -> dict[str, object]:
        """The counts as columns of `estimate_buckets`; weekly_volume is a list of week and count."""
        return {
            **dict(zip(PRICE_COLUMNS, self.price, strict=True)),
            **dict(zip(LATENCY_COLUMNS, self.latency, strict=True)),
            WEEKS_COLUMN: [{"week": week, "count": count} for week, count in self.weeks.items()],
        }


def bucket(estimates: pd.DataFrame) -> BucketCounts:
    """Count estimates by band and week.

    Args:
        estimates: Columns created_at and closed_at (datetime64, UTC; without closed_at the week is that of
            created_at and no latency is counted) and amount_cents (int64). Latency is in whole 24-hour days.

    Returns:
        The counts.
    """
    import numpy as np

    counts = GroupedCounts()
    counts.add(np.zeros(len(estimates), dtype=np.int64), estimates)
    return counts.of(0)


class GroupedCounts:
    """Counts of many groups of estimates, added up chunk by chunk.

    Memory grows with the groups and the weeks that they have, not with the estimates.
    """

    def __init__(self) -> None:
        import numpy as np

        self._bands: Ints = np.zeros((0, 8), dtype=np.int64)
        self._weeks: tuple[Ints, Ints] = (np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))
        self._pending: list[tuple[Ints, Ints]] = []

    def add(self, groups: Ints, estimates: pd.DataFrame) -> None:
        """Count a chunk.

        Args:
            groups: The group of each estimate, from 0.
            estimates: As `bucket` takes them.
        """
        import numpy as np

        if not len(estimates):
            return
        size = max(len(self._bands), int(groups.max()) + 1)
        if size > len(self._bands):
            grown = np.zeros((max(size, 2 * len(self._bands)), 8), dtype=np.int64)
            grown[: len(self._bands)] = self._bands
            self._bands = grown
        created, closed = (_microseconds(estimates[name]) for name in ("created_at", "closed_at"))
        is_closed = closed != _NO_TIME
        cents: Ints = estimates["amount_cents"].to_numpy(np.int64)
        price = np.digitize(cents, _PRICE_LIMITS)
        days = np.where(is_closed, closed - created, 0) // _DAY
        latency = 4 + np.digitize(days, _LATENCY_LIMITS)
        cells: Ints = np.concatenate([groups * 8 + price, (groups * 8 + latency)[is_closed]])
        self._bands += np.bincount(cells, minlength=self._bands.size).reshape(-1, 8)
        weeks = (np.where(is_closed, closed, created) // _DAY + _DAYS_TO_1970) // 7
        self._pending.append(np.unique((groups << 20) | weeks, return_counts=True))
        if sum(len(keys) for keys, _ in self._pending) > max(_PENDING, len(self._weeks[0])):
            self._merge()

    def of(self, group: int) -> BucketCounts:
        """The counts of one group; zeros where it has no estimate."""
        import numpy as np

        if self._pending:
            self._merge()
        if group >= len(self._bands):
            return BucketCounts()
        keys, counts = self._weeks
        first, last = np.searchsorted(keys, [group << 20, (group + 1) << 20])
        bands = self._bands[group].tolist()
        names = [_week(key & 0xFFFFF) for key in keys[first:last].tolist()]
        weeks = dict(zip(names, counts[first:last].tolist(), strict=True))
        return BucketCounts(price=tuple(bands[:4]), latency=tuple(bands[4:]), weeks=weeks)

    def totals(self) -> Ints:
        """How many estimates each group has, by group; groups beyond the end have none."""
        return self._bands[:, :4].sum(axis=1)

    def _merge(self) -> None:
        import numpy as np

        parts = [self._weeks, *self._pending]
        keys = np.concatenate([part[0] for part in parts])
        counts = np.concatenate([part[1] for part in parts])
        order = np.argsort(keys, kind="stable")
        keys, counts = keys[order], counts[order]
        starts = np.flatnonzero(np.diff(keys, prepend=-1))
        self._weeks = (keys[starts], np.add.reduceat(counts, starts))
        self._pending = []


@cache
def _week(number: int) -> str:
    return week_of(_FIRST_MONDAY + timedelta(weeks=number))


def _microseconds(times: pd.Series) -> Ints:
    """Microseconds since 1970, `_NO_TIME` where there is no time."""
    return times.astype("datetime64[us, UTC]").dt.tz_localize(None).to_numpy("datetime64[us]").view("int64")
