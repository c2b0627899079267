"""What is shown of facts: the same sentences everywhere, their numbers, and a few words in the list."""

from __future__ import annotations

from datetime import date

import pytest

from secondlook.domain.sources import Source, SourceRow
from secondlook.errors import StoreUnavailable
from secondlook.pipeline.insights import read_facts
from secondlook.services import connect
from secondlook.tasks.insights.facts import facts_of
from secondlook.views.insights import (
    all_facts,
    insights_fields,
    numbers,
    own_sentences,
    standing_out,
    strongest_of,
    view_insights,
    written,
)
from tests.examples import SOURCE, TODAY, USER, Json, bucket_row, example_input, weeks
from tests.tasks.insights.givens import given
from tests.views.test_comparison import snapshot

FACTS = facts_of(example_input())


def test_our_own_sentences() -> None:
    """What stands out first, at least four; each is the sentence of its fact."""
    own = own_sentences(FACTS)
    assert own[: len(standing_out(FACTS))] == standing_out(FACTS)
    assert len(own) >= 4
    sentences = {fact.id: fact.sentence for fact in FACTS}
    assert {each.facts[0]: each.text for each in all_facts(FACTS)} == sentences
    assert all(each.text == sentences[each.facts[0]] and each.by == "rules" for each in own)


def test_json_of_facts() -> None:
    """Ids, exact values, direction, cells and sentence; p where there is a test, and nothing of a run."""
    view = view_insights(snapshot(example_input()), FACTS, [])
    assert written(view) is None
    fields = insights_fields(view)
    facts: list[dict[str, Json]] = fields["facts"]  # pyright: ignore[reportAssignmentType]
    leader = next(each for each in facts if each["id"] == "price_leader")
    assert list(leader) == ["id", "values", "direction", "clear", "p", "cells", "sentence"]
    assert leader["values"]["share"] == 25 / 35
    assert leader["cells"] == ["demand.price_distribution[1].count"]
    assert "p" not in next(each for each in facts if each["id"] == "volume")
    assert (fields["run_id"], fields["usage"], fields["refused"]) == (None, None, [])


def test_numbers_of_a_fact() -> None:
    """As people read them, the p value included."""
    leader = next(fact for fact in FACTS if fact.id == "price_leader")
    assert numbers(leader) == {
        "Band": "$500 to $1,500",
        "Count": "25",
        "Share": "71 %",
        "Likely from": "55 %",
        "Likely to": "84 %",
        "p value": "0.0167",
        "Clear": "yes",
    }


def row(buckets: Json, count: int | None = 35) -> SourceRow:
    """A line of the list."""
    return SourceRow(
        source=Source(
            source_id=SOURCE,
            user_id=USER,
            source_type="csv",
            source_name="Acme",
            status="bucketed",
            created_at="2026-01-01T00:00:00Z",
        ),
        estimate_count=count,
        confidence_level=None,
        snapshot_id=None,
        snapshot_at=None,
        buckets=buckets,
    )


BUSY = weeks(*((f"2026-W{number:02d}", 1 if number < 5 else 20) for number in range(1, 9)))


@pytest.mark.parametrize(
    ("of", "told"),
    [
        pytest.param(row(bucket_row()), "71 % are $500 to $1,500", id="price"),
        pytest.param(
            row(bucket_row(price_band_lt_500=20, latency_band_0_2=2, latency_band_22_plus=40)),
            "70 % took 22 days or more",
            id="decisions",
        ),
        pytest.param(
            row(bucket_row(price_band_lt_500=25, weekly_volume=BUSY), 84),
            "80 in recent weeks, 4 before",
            id="volume",
        ),
        pytest.param(row(bucket_row(price_band_lt_500=25)), "nothing clear", id="nothing"),
        pytest.param(row(bucket_row(price_band_lt_500=-1)), None, id="no count"),
        pytest.param(row(None), None, id="not read"),
        pytest.param(row(bucket_row(), None), None, id="no estimates"),
    ],
)
def test_a_line_of_the_list(of: SourceRow, told: str | None) -> None:
    """The strongest clear fact in a few words; none where the buckets cannot be read."""
    assert strongest_of(of, TODAY) == told


def test_a_week_of_tomorrow_is_no_fact() -> None:
    """The day counts: what cannot be read today may be read next week."""
    of = row(bucket_row(weekly_volume=weeks(("2026-W48", 35))))
    assert strongest_of(of, date(2026, 11, 22)) is None
    assert strongest_of(of, date(2026, 11, 23)) is not None


def test_a_broken_snapshot_before_takes_nothing_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Facts of a snapshot are there although the one before it cannot be read."""
    newest = snapshot(given(price=(5, 10, 20, 5), latency=(10, 10, 10, 10)))
    services = connect()
    store = services.store(services.own_access(USER))

    def broken(*_: object, **__: object) -> None:
        raise StoreUnavailable("Snapshot does not match the locked schema")

    monkeypatch.setattr(store, "list_snapshots", broken)
    assert {fact.id for fact in read_facts(store, newest)} >= {"price_leader", "sample"}
