"""What stands out: by how far from chance, and how large; nothing where all may be chance."""

from __future__ import annotations

import pytest
from hypothesis import given as any_of

from secondlook.domain.buckets import AgentInput
from secondlook.tasks.insights.facts import facts_of
from secondlook.tasks.insights.ranking import MOST, rank, strongest, tell
from tests.tasks.insights.givens import given, givens

EVEN = [(f"2026-W{number:02d}", 5) for number in range(1, 9)]


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        pytest.param(given(EVEN, (10, 10, 10, 10), (10, 10, 10, 10)), [], id="all alike"),
        pytest.param(given(EVEN, (4, 12, 20, 4), (10, 10, 10, 10)), [], id="a lead that may be chance"),
        pytest.param(
            given(EVEN, (2, 30, 4, 4), (10, 10, 10, 10)),
            ["price_leader", "price_high"],
            id="a clear lead before a share without a test",
        ),
        pytest.param(
            given(EVEN, (10, 10, 10, 10), (2, 2, 6, 30)),
            ["decision_leader", "decision_fast"],
            id="one sentence about the same count",
        ),
        pytest.param(
            given([*EVEN[:7], ("2026-W08", 45)]), ["recent_volume", "busiest_week"], id="a busy week"
        ),
        pytest.param(given([*EVEN[:7], ("2026-W08", 9)]), [], id="a busiest week as chance makes it"),
        pytest.param(
            given([("2026-W01", 20), ("2026-W07", 20)]), ["quiet_weeks"], id="weeks quieter than chance makes"
        ),
        pytest.param(given([("2026-W01", 1), ("2026-W07", 1)]), [], id="quiet weeks of two estimates"),
        pytest.param(given([("2026-W01", 30)]), [], id="one week"),
    ],
)
def test_what_stands_out(of: AgentInput, expected: list[str]) -> None:
    """The facts in their order."""
    assert [fact.id for fact in rank(facts_of(of))] == expected


@any_of(givens())
def test_at_most_five_the_clear_ones_first(of: AgentInput) -> None:
    """And no two about the same counts; the strongest is clear."""
    facts = facts_of(of)
    found = rank(facts)
    assert len(found) <= MOST
    assert [fact.clear for fact in found] == sorted((fact.clear for fact in found), reverse=True)
    assert len({fact.cells for fact in found}) == len(found)
    assert strongest(facts) == next((fact for fact in found if fact.clear), None)


def test_there_is_always_something_to_tell() -> None:
    """Where little stands out, what the snapshot is about fills the page."""
    told = tell(facts_of(given(EVEN, (10, 10, 10, 10), (10, 10, 10, 10))), 4)
    assert [fact.id for fact in told] == ["volume", "price_leader", "decision_leader", "price_median"]
