"""The figures that pages and the command line show."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import assume, given, settings

from secondlook.domain.buckets import AgentInput, BandCount, WeekCount
from secondlook.domain.runs import SnapshotRun
from secondlook.domain.sources import Source, SourceRow
from secondlook.domain.usage import Usage
from secondlook.domain.weeks import monday_of
from secondlook.views import figures
from secondlook.views import run as run_view
from tests.examples import MODEL, SNAPSHOT, SOURCE, USER, echo, example_input
from tests.strategies import agent_inputs


def weeks(*pairs: tuple[str, int]) -> list[WeekCount]:
    """Weeks with their counts."""
    return [WeekCount(week=week, count=count) for week, count in pairs]


def bands(*counts: int) -> list[BandCount]:
    """Bands a, b, c… with these counts."""
    return [BandCount(band=chr(97 + index), count=count) for index, count in enumerate(counts)]


@pytest.mark.parametrize(
    ("given_weeks", "filled"),
    [
        pytest.param((), (), id="none"),
        pytest.param((("2026-W05", 3),), (("2026-W05", 3),), id="one"),
        pytest.param((("2026-W01", 0), ("2026-W02", 1)), (("2026-W01", 0), ("2026-W02", 1)), id="no gap"),
        pytest.param(
            (("2026-W01", 5), ("2026-W04", 1)),
            (("2026-W01", 5), ("2026-W02", 0), ("2026-W03", 0), ("2026-W04", 1)),
            id="gap",
        ),
        pytest.param(
            (("2026-W52", 5), ("2027-W01", 1)),
            (("2026-W52", 5), ("2026-W53", 0), ("2027-W01", 1)),
            id="over a long year's end",
        ),
        pytest.param(
            (("2025-W52", 5), ("2026-W01", 1)), (("2025-W52", 5), ("2026-W01", 1)), id="over a year's end"
        ),
    ],
)
def test_gaps_are_zeros(
    given_weeks: tuple[tuple[str, int], ...], filled: tuple[tuple[str, int], ...]
) -> None:
    """A week that the buckets leave out, between covered ones, is drawn as zero."""
    assert figures.fill_weeks(weeks(*given_weeks)) == weeks(*filled)


def test_centuries_apart_are_not_filled() -> None:
    """Two weeks that lie too far apart come as they are: a chart of all between them shows nothing."""
    far = weeks(("0001-W01", 1), ("2026-W01", 2))
    assert figures.fill_weeks(far) == list(far)


@settings(max_examples=20)
@given(agent_inputs())
def test_filled_weeks_follow_each_other(agent_input: AgentInput) -> None:
    """No gap is left, nothing given is lost, and nothing is added to a count."""
    before = agent_input.demand.weekly_volume
    assume(not before or monday_of(before[-1].week) - monday_of(before[0].week) <= figures.MAX_SPAN)
    filled = figures.fill_weeks(before)
    assert all((monday_of(b.week) - monday_of(a.week)).days == 7 for a, b in pairwise(filled))
    assert [week for week in filled if week in before] == list(before)
    assert sum(week.count for week in filled) == sum(week.count for week in before)


@pytest.mark.parametrize(("count", "whole", "share"), [(1, 4, 0.25), (4, 4, 1), (0, 4, 0), (0, 0, 0)])
def test_share(count: int, whole: int, share: float) -> None:
    """0 of nothing is 0, not an error."""
    assert figures.share(count, whole) == share


def test_headlines() -> None:
    """The largest weeks and bands: all that tie, and none where nothing counts."""
    assert figures.largest(weeks(("2026-W01", 3), ("2026-W02", 5))) == [WeekCount(week="2026-W02", count=5)]
    assert figures.largest(list[WeekCount]()) == []
    assert figures.largest(bands(0, 0)) == []
    assert [band.band for band in figures.largest(bands(0, 7, 7))] == ["b", "c"]


@pytest.mark.parametrize(
    ("dollars", "estimated", "written"),
    [
        pytest.param(None, False, "unknown", id="unknown"),
        pytest.param(None, True, "unknown", id="unknown, estimated"),
        pytest.param(Decimal("0.00509"), False, "$0.0051", id="known"),
        pytest.param(Decimal("0.00509"), True, "\u2248 $0.0051", id="estimated"),
        pytest.param(Decimal("12.5"), False, "$12.5000", id="dollars"),
    ],
)
def test_money(dollars: Decimal | None, written: str, *, estimated: bool) -> None:
    """Unknown is said, an estimate is marked."""
    assert figures.money(dollars, estimated=estimated) == written


@pytest.mark.parametrize(
    ("milliseconds", "written"),
    [
        (0, "0.0 ms"),
        (0.42, "0.4 ms"),
        (9.9, "9.9 ms"),
        (10, "10 ms"),
        (12.3, "12 ms"),
        (999, "999 ms"),
        (1000, "1.0 s"),
        (61_250, "61.2 s"),
    ],
)
def test_duration(milliseconds: float, written: str) -> None:
    """Milliseconds below a second, with a decimal below ten; seconds above."""
    assert figures.duration(milliseconds) == written


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
def test_a_sources_fields(*, known: bool) -> None:
    """Exactly the keys of `sources --json`; unknown is null."""
    row = SourceRow(
        source=Source(
            source_id=SOURCE,
            user_id=USER,
            source_type="hubspot",
            source_name="<b>",
            status="bucketed",
            created_at="2026-01-05T08:00:00Z",
        ),
        estimate_count=35 if known else None,
        confidence_level="low" if known else None,
        snapshot_id=SNAPSHOT if known else None,
        snapshot_at="2026-02-05T08:00:00Z" if known else None,
    )
    assert figures.source_fields(row) == {
        "source_id": SOURCE,
        "source_name": "<b>",
        "source_type": "hubspot",
        "status": "bucketed",
        "estimate_count": 35 if known else None,
        "confidence_level": "low" if known else None,
        "snapshot_id": SNAPSHOT if known else None,
    }


@pytest.mark.parametrize("cost", [Decimal("0.0025"), None], ids=["known", "unknown"])
def test_a_snapshots_fields(cost: Decimal | None) -> None:
    """Exactly the keys of `snapshot --json`; latency_ms is the whole run, an integer."""
    result = {**echo(), "meta": {**echo()["meta"], "snapshot_id": SNAPSHOT}}
    made = SnapshotRun.model_validate(
        {
            "run_id": SNAPSHOT,
            "snapshot_id": SNAPSHOT,
            "source_id": SOURCE,
            "agent": "openai",
            "result": result,
            "usage": Usage(prompt_tokens=4),
            "cost": cost,
            "model": MODEL,
            "request_id": "req_1",
            "attempts": 1,
            "timings": {"load": 1.4, "total": 12.6},
            "warnings": ("odd",),
        },
        strict=False,
    )
    assert run_view.snapshot_fields(made) == {
        "run_id": SNAPSHOT,
        "snapshot_id": SNAPSHOT,
        "source_id": SOURCE,
        "agent": "openai",
        "result": result,
        "usage": {
            "prompt_tokens": 4,
            "completion_tokens": None,
            "total_tokens": None,
            "cached_tokens": None,
            "reasoning_tokens": None,
            "estimated": False,
        },
        "cost_usd": None if cost is None else 0.0025,
        "model": MODEL,
        "request_id": "req_1",
        "attempts": 1,
        "latency_ms": 13,
        "warnings": ["odd"],
    }
    assert type(run_view.snapshot_fields(made)["latency_ms"]) is int


def test_a_chart_loses_nothing() -> None:
    """An input's weeks without gaps are drawn as they are."""
    assert figures.fill_weeks(example_input().demand.weekly_volume) == list(
        example_input().demand.weekly_volume
    )
