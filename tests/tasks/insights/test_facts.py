"""Every value of every fact: by hand for chosen snapshots, recomputed in another way for any."""

from __future__ import annotations

import re
from datetime import date
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given as any_of
from hypothesis import strategies as st

from secondlook.domain.buckets import AgentInput, BandCount, DecisionLatency, Demand, WeekCount
from secondlook.domain.weeks import week_of
from secondlook.tasks.insights.fact import Fact
from secondlook.tasks.insights.facts import FACT_IDS, Peers, facts_of, peers_of
from secondlook.tasks.insights.wording import value_text
from tests.tasks.insights import oracle
from tests.tasks.insights.givens import given, givens

MONTHS = [(f"2026-W{number:02d}", 5) for number in range(1, 9)]
MIXED = given(
    [("2026-W10", 3), ("2026-W11", 0), ("2026-W13", 5), ("2026-W17", 4), ("2026-W18", 2), ("2026-W19", 20)],
    (4, 11, 9, 10),
    (5, 2, 8, 19),
    36,
)


def fact(of: AgentInput, name: str, previous: AgentInput | None = None) -> Fact | None:
    """A snapshot's fact of that id."""
    return next((each for each in facts_of(of, previous) if each.id == name), None)


BY_HAND: list[tuple[str, AgentInput, dict[str, Any] | None]] = [
    ("volume", MIXED, {"estimates": 34, "weeks": 10, "average": 3.4}),
    ("volume", given([("2026-W53", 2), ("2027-W01", 1)]), {"estimates": 3, "weeks": 2, "average": 1.5}),
    ("volume", given([("2026-W10", 0)]), {"estimates": 0, "weeks": 1, "average": 0.0}),
    ("volume", given([]), None),
    ("busiest_week", MIXED, {"week": "2026-W19", "count": 20, "share": 20 / 34, "ties": 1}),
    ("busiest_week", given(MONTHS), {"week": None, "count": 5, "share": 0.125, "ties": 8}),
    ("busiest_week", given([("2026-W10", 0)]), None),
    ("quiet_weeks", MIXED, {"count": 5, "weeks": 10}),
    ("quiet_weeks", given(MONTHS), None),
    ("recent_volume", MIXED, {"recent": 26, "before": 5, "change": 21}),
    ("recent_volume", given(MONTHS), {"recent": 20, "before": 20, "change": 0}),
    ("recent_volume", given(MONTHS[1:]), None),
    (
        "recent_volume",
        given([("2026-W48", 7), ("2026-W53", 1), ("2027-W02", 2)]),
        {"recent": 3, "before": 7, "change": -4},
    ),
    (
        "price_leader",
        MIXED,
        {"band": "500-1500", "count": 11, "share": 11 / 34, "low": 0.1913, "high": 0.4916, "ties": 1},
    ),
    (
        "decision_leader",
        MIXED,
        {"band": "22+d", "count": 19, "share": 19 / 34, "low": 0.3945, "high": 0.7112, "ties": 1},
    ),
    (
        "price_leader",
        given(price=(8, 8, 0, 0)),
        {"band": None, "count": 8, "share": 0.5, "low": 0.28, "high": 0.72, "ties": 2},
    ),
    ("price_leader", given(MONTHS), None),
    ("price_median", MIXED, {"band": "1500-5000"}),
    ("price_median", given(price=(1, 0, 0, 1)), {"band": "<500"}),
    ("price_median", given(price=(1, 0, 1, 1)), {"band": "1500-5000"}),
    ("decision_median", MIXED, {"band": "22+d"}),
    ("price_high", MIXED, {"count": 19, "share": 19 / 34, "low": 0.3945, "high": 0.7112}),
    ("price_high", given(price=(9, 1, 0, 0)), {"count": 0, "share": 0.0, "low": 0.0, "high": 0.2775}),
    ("decision_fast", MIXED, {"count": 7, "share": 7 / 34, "low": 0.1035, "high": 0.3680}),
    ("decision_slow", MIXED, {"count": 19, "share": 19 / 34, "low": 0.3945, "high": 0.7112}),
    ("coverage", MIXED, {"weekly_volume": 2, "price_distribution": 2, "decision_latency": 2}),
    ("coverage", given(MONTHS, (40, 0, 0, 0), (0, 40, 0, 0)), None),
    ("sample", MIXED, {"estimates": 36, "confidence": "low"}),
]


@pytest.mark.parametrize(("name", "of", "values"), BY_HAND)
def test_values_by_hand(name: str, of: AgentInput, values: dict[str, Any] | None) -> None:
    """The values of a fact, or that there is none."""
    found = fact(of, name)
    if values is None:
        assert found is None
        return
    assert found is not None
    assert list(found.values) == list(values)
    for key, value in values.items():
        expected = pytest.approx(value, abs=5e-5) if isinstance(value, float) else value
        assert found.values[key] == expected, key


EARLIER = given([("2025-W10", 40)], (20, 10, 10, 0), (10, 10, 10, 10))


def test_what_changed_since_the_previous_snapshot() -> None:
    """Apart in time: the bands that moved most, and their tests."""
    now = given([("2026-W10", 50)], (5, 20, 25, 0), (10, 10, 10, 20))
    found = fact(now, "since_previous", EARLIER)
    assert found is not None
    assert found.values == {
        "estimates": 10,
        "price_band": "<500",
        "price_from": 0.5,
        "price_to": 0.1,
        "price_points": -40.0,
        "latency_band": "22+d",
        "latency_from": 0.25,
        "latency_to": 0.4,
        "latency_points": 15.0,
    }
    assert found.clear
    assert found.p == pytest.approx(oracle.fisher([[5, 45], [20, 20]]))
    assert found.direction is None


def test_snapshots_with_weeks_in_common_are_not_tested() -> None:
    """No p value, nothing clear, and no word of a change."""
    now = given([("2025-W10", 40), ("2025-W11", 10)], (5, 20, 25, 0), (10, 10, 10, 20))
    found = fact(now, "since_previous", EARLIER)
    assert found is not None
    assert (found.p, found.clear) == (None, False)
    assert not re.search(r"\b(up|down|rose|fell|chang|more than chance)", found.sentence)


@pytest.mark.parametrize(("moved", "told"), [(0, False), (9, False), (10, True)])
def test_few_changes_are_withheld(moved: int, told: bool) -> None:
    """Fewer than ten changed estimates tell about single ones."""
    now = given([("2025-W10", 40)], (20 - moved, 10 + moved, 10, 0), (10, 10, 10, 10))
    assert (fact(now, "since_previous", EARLIER) is not None) is told


def test_tests_are_corrected_over_the_whole_snapshot() -> None:
    """A p value below 0.05 that does not stand up to the other tests is not clear."""
    alone = given(latency=(5, 2, 8, 19))
    assert [each.clear for each in facts_of(alone) if each.p is not None] == [False]  # p 0.052
    pair = given(price=(3, 0, 0, 12), latency=(6, 0, 0, 18))
    tested = {each.id: (each.p, each.clear) for each in facts_of(pair) if each.p is not None}
    assert tested == {
        "price_leader": (pytest.approx(0.0352, abs=1e-4), True),
        "decision_leader": (pytest.approx(0.0227, abs=1e-4), True),
    }
    three = given([("2026-W10", 10), ("2026-W17", 20)], (3, 0, 0, 12), (6, 0, 0, 18))
    assert not any(each.clear for each in facts_of(three))


def test_other_sources_compare() -> None:
    """The median share of five sources of 25 estimates or more."""
    others = [given(price=(30 - high, 0, 0, high), latency=(30, 0, 0, 0)) for high in (3, 6, 9, 12, 15)]
    assert peers_of(others[:4]) is None
    assert peers_of([*others[:4], given(price=(24, 0, 0, 0))]) is None
    peers = peers_of(others)
    assert peers == Peers({"price_high": 0.3, "decision_fast": 1.0, "decision_slow": 0.0})
    found = {each.id: each for each in facts_of(MIXED, peers=peers)}
    assert found["price_high"].values["peers"] == 0.3
    assert found["price_high"].sentence.endswith("The median of the other sources is 30 %.")


@pytest.mark.parametrize(
    "weeks", [[("2026-W99", 3)], [("2026-W10", 3), ("2026-W10", 2)], [("2026-W10", 2**31)], [("soon", 1)]]
)
def test_weeks_of_other_programs(weeks: list[tuple[str, int]]) -> None:
    """Weeks that are none give no facts about weeks; the bands still do."""
    found = {each.id for each in facts_of(given(weeks, (1, 2, 3, 4), estimates=40))}
    assert not found & {"volume", "busiest_week", "quiet_weeks", "recent_volume"}
    assert {"price_leader", "sample"} <= found


def test_bands_of_other_programs() -> None:
    """Bands in another order are read; a band too many, or unknown, or twice gives no facts about bands."""
    usual = MIXED.demand.price_distribution

    def with_bands(*bands: BandCount) -> AgentInput:
        return MIXED.model_copy(update={"demand": Demand(weekly_volume=(), price_distribution=bands)})

    swapped = fact(with_bands(*reversed(usual)), "price_leader")
    assert swapped is not None
    assert swapped.cells == ("demand.price_distribution[2].count",)
    for odd in ((*usual, BandCount(band="x", count=1)), usual[:3], (*usual[:3], usual[0]), ()):
        assert fact(with_bands(*odd), "price_leader") is None


def test_weeks_in_any_order() -> None:
    """Their order carries no meaning, and cells point to where they are."""
    weeks = MIXED.demand.weekly_volume
    demand = Demand(weekly_volume=weeks[::-1], price_distribution=MIXED.demand.price_distribution)
    turned = facts_of(MIXED.model_copy(update={"demand": demand}))
    assert [(each.id, each.values, each.sentence) for each in turned] == [
        (each.id, each.values, each.sentence) for each in facts_of(MIXED)
    ]
    assert turned[1].cells == ("demand.weekly_volume[0].count",)


# -- any snapshot ------------------------------------------------------------------------------------------


@any_of(givens(), st.none() | givens())
def test_facts_are_of_the_closed_list(of: AgentInput, previous: AgentInput | None) -> None:
    """Each at most once, in order; equal snapshots have equal facts."""
    found = facts_of(of, previous)
    ids = [each.id for each in found]
    assert ids == [name for name in FACT_IDS if name in ids]
    assert found == facts_of(of.model_copy(deep=True), previous)


@any_of(givens())
def test_every_value_is_recomputed(of: AgentInput) -> None:
    """All values of all facts, in another way: estimate by estimate where there are few enough."""
    expected = _weekly(of) | _banded("price", slice(2, 4), of.demand.price_distribution)
    expected |= _banded("decision", slice(0, 2), of.decision_latency.distribution)
    lacks = {
        "weekly_volume": of.estimate_count - sum(week.count for week in of.demand.weekly_volume),
        "price_distribution": of.estimate_count - sum(band.count for band in of.demand.price_distribution),
        "decision_latency": of.estimate_count - sum(each.count for each in of.decision_latency.distribution),
    }
    if any(lacks.values()):
        expected["coverage"] = lacks
    expected["sample"] = {"estimates": of.estimate_count, "confidence": of.confidence_level}
    found = {each.id: dict(each.values) for each in facts_of(of)}
    assert found.keys() == expected.keys()
    for name, values in found.items():
        assert list(values) == list(expected[name])
        for key, value in expected[name].items():
            wanted = pytest.approx(value, rel=1e-9, abs=1e-12) if isinstance(value, float) else value
            assert values[key] == wanted, f"{name}.{key}"


def _weekly(of: AgentInput) -> dict[str, dict[str, Any]]:
    counts = {_monday(week): week.count for week in of.demand.weekly_volume}
    if not counts:
        return {}
    days = range(min(counts).toordinal(), max(counts).toordinal() + 1, 7)
    covered = [counts.get(date.fromordinal(day), 0) for day in days]
    total, most = sum(covered), max(covered)
    facts: dict[str, dict[str, Any]] = {
        "volume": {"estimates": total, "weeks": len(covered), "average": float(Fraction(total, len(covered)))}
    }
    if total:
        best = week_of(date.fromordinal(days[covered.index(most)]))
        ties = covered.count(most)
        facts["busiest_week"] = {
            "week": best if ties == 1 else None,
            "count": most,
            "share": float(Fraction(most, total)),
            "ties": ties,
        }
    if 0 in covered:
        facts["quiet_weeks"] = {"count": covered.count(0), "weeks": len(covered)}
    if len(covered) > 7:
        recent, before = sum(covered[-4:]), sum(covered[-8:-4])
        facts["recent_volume"] = {"recent": recent, "before": before, "change": recent - before}
    return facts


def _monday(week: WeekCount) -> date:
    return date.fromisocalendar(int(week.week[:4]), int(week.week[6:]), 1)


def _banded(kind: str, part: slice, bands: tuple[BandCount, ...]) -> dict[str, dict[str, Any]]:
    counts = [band.count for band in bands]
    n, most = sum(counts), max(counts)
    if not n:
        return {}
    top = [band.band for band in bands if band.count == most]

    def share(count: int) -> dict[str, Any]:
        low, high = oracle.wilson(count, n)
        return {"count": count, "share": float(Fraction(count, n)), "low": low, "high": high}

    def middle() -> str:
        rank = -(-n // 2)
        return next(band.band for index, band in enumerate(bands) if sum(counts[: index + 1]) >= rank)

    facts: dict[str, dict[str, Any]] = {
        f"{kind}_leader": {"band": top[0] if len(top) == 1 else None, **share(most), "ties": len(top)},
        f"{kind}_median": {"band": middle()},
        "price_high" if kind == "price" else "decision_fast": share(sum(counts[part])),
    }
    return facts if kind == "price" else {**facts, "decision_slow": share(counts[3])}


DEFINITIONS = {"price_high": {"1,500"}, "decision_fast": {"7"}, "decision_slow": {"22"}}
"""Numbers that are part of what a fact is."""


@any_of(givens(), st.none() | givens())
def test_every_number_in_a_sentence_is_a_value(of: AgentInput, previous: AgentInput | None) -> None:
    """Or what a share is of; no sign, no null, no word about customers, jobs or money made."""
    wholes = {
        f"{sum(entry.count for entry in entries):,}"
        for each in (of, previous)
        if each is not None
        for entries in (
            each.demand.weekly_volume,
            each.demand.price_distribution,
            each.decision_latency.distribution,
        )
    } | {f"{of.estimate_count:,}"}
    for each in facts_of(of, previous):
        told = {name for name, value in each.values.items() if value is not None}
        backed = set(_numbers(" ".join(value_text(each, name) for name in told)))
        backed |= wholes | DEFINITIONS.get(each.id, set[str]())
        assert set(_numbers(each.sentence)) <= backed, each
        assert "None" not in each.sentence.removeprefix("None of"), each
        assert not re.search(r"customer|job|sale|revenue|because|will|month", each.sentence), each
        assert each.sentence[0].isupper() or each.sentence[0].isdigit(), each
        assert each.sentence.endswith("."), each
        assert not re.search(r"\b1 (estimates|weeks|points)\b", each.sentence), each


def _numbers(text: str) -> list[str]:
    return re.findall(r"[0-9][0-9,]*(?:\.[0-9]+)?(?<!,)", text)


@any_of(givens(), st.none() | givens())
def test_cells_are_there(of: AgentInput, previous: AgentInput | None) -> None:
    """Each path leads to a count of the result."""
    for each in facts_of(of, previous):
        assert each.cells
        for path in each.cells:
            name, _, index = path.removesuffix(".count").removesuffix("]").partition("[")
            lists = {
                "demand.weekly_volume": of.demand.weekly_volume,
                "demand.price_distribution": of.demand.price_distribution,
                "decision_latency.distribution": of.decision_latency.distribution,
            }
            assert name in {"meta.estimate_count", "meta.confidence_level"} or int(index) < len(lists[name])


@any_of(givens(), givens())
def test_what_moved_is_recomputed(of: AgentInput, previous: AgentInput) -> None:
    """Shares and points since the previous snapshot, in fractions; the largest move is named."""
    found = fact(of, "since_previous", previous)
    if found is None:
        return
    assert found.values["estimates"] == of.estimate_count - previous.estimate_count
    pairs = {
        "price": (previous.demand.price_distribution, of.demand.price_distribution),
        "latency": (previous.decision_latency.distribution, of.decision_latency.distribution),
    }
    for name, (before, after) in pairs.items():
        then, now = _shares(before), _shares(after)
        moves = {band: now[band] - then[band] for band in now} if then and now else {}
        band = found.values[f"{name}_band"]
        if not any(moves.values()):
            assert band is None
            continue
        assert isinstance(band, str)
        assert abs(moves[band]) == max(map(abs, moves.values()))
        assert found.values[f"{name}_points"] == pytest.approx(float(100 * moves[band]))
        assert found.values[f"{name}_from"] == pytest.approx(float(then[band]))
        assert found.values[f"{name}_to"] == pytest.approx(float(now[band]))


def _shares(bands: tuple[BandCount, ...]) -> dict[str, Fraction]:
    whole = sum(band.count for band in bands)
    return {band.band: Fraction(band.count, whole) for band in bands} if whole else {}


def test_nothing_at_all() -> None:
    """A snapshot of another program without any list still has its sample."""
    empty = AgentInput(
        demand=Demand(weekly_volume=(), price_distribution=()),
        decision_latency=DecisionLatency(distribution=()),
        estimate_count=0,
        confidence_level="low",
    )
    assert [each.id for each in facts_of(empty)] == ["sample"]
