"""Snapshots without identity, written short, and any of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from hypothesis import strategies as st

from secondlook.domain.bucket_rules import confidence
from secondlook.domain.buckets import (
    AgentInput,
    BandCount,
    DecisionLatency,
    Demand,
    LatencyBand,
    PriceBand,
    WeekCount,
)
from secondlook.domain.weeks import week_of


def given(
    weeks: Sequence[tuple[str, int]] = (),
    price: Sequence[int] = (0, 0, 0, 0),
    latency: Sequence[int] = (0, 0, 0, 0),
    estimates: int | None = None,
) -> AgentInput:
    """A snapshot of these counts; of as many estimates as the largest list has where nobody says."""
    n = max(sum(count for _, count in weeks), sum(price), sum(latency)) if estimates is None else estimates
    return AgentInput(
        demand=Demand(
            weekly_volume=tuple(WeekCount(week=week, count=count) for week, count in weeks),
            price_distribution=_bands(PriceBand, price),
        ),
        decision_latency=DecisionLatency(distribution=_bands(LatencyBand, latency)),
        estimate_count=n,
        confidence_level=confidence(n),
    )


def _bands(names: type[PriceBand] | type[LatencyBand], counts: Sequence[int]) -> tuple[BandCount, ...]:
    return tuple(BandCount(band=str(band), count=count) for band, count in zip(names, counts, strict=True))


_few = st.integers(0, 6)
_any = st.one_of(_few, st.integers(0, 300), st.integers(0, 2**31 - 1))
_four = st.one_of(st.lists(_few, min_size=4, max_size=4), st.lists(_any, min_size=4, max_size=4))


@st.composite
def _weeks(draw: st.DrawFn) -> list[tuple[str, int]]:
    """Weeks with ties, zeros and gaps, from one to some forty of them, many around a W53."""
    start = draw(st.sampled_from([date(2020, 11, 2), date(2026, 10, 5), date(2023, 1, 2)]))
    offsets = draw(st.lists(st.integers(0, 40), max_size=30, unique=True))
    count = draw(st.sampled_from([_few, _any]))
    return [(week_of(start + timedelta(weeks=offset)), draw(count)) for offset in sorted(offsets)]


@st.composite
def givens(draw: st.DrawFn) -> AgentInput:
    """Any snapshot, distributions below the count included."""
    weeks, price, latency = draw(_weeks()), draw(_four), draw(_four)
    most = max(sum(count for _, count in weeks), sum(price), sum(latency))
    return given(weeks, price, latency, most + draw(st.sampled_from([0, 0, 1, 2, 30])))
