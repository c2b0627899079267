"""Two snapshots side by side: what changed, and what to be wary of."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings

from secondlook.domain.access import Access
from secondlook.domain.buckets import AgentInput
from secondlook.domain.runs import SNAPSHOT as SNAPSHOT_TASK
from secondlook.domain.runs import Run, RunStatus
from secondlook.domain.snapshots import Snapshot, SnapshotResult
from secondlook.domain.usage import Usage
from secondlook.services import connect
from secondlook.views.comparison import Comparison, compare, comparison_fields
from secondlook.views.snapshot import read_snapshot_view, view_snapshot
from tests.examples import (
    MODEL,
    OTHER_USER,
    SNAPSHOT,
    SOURCE,
    USER,
    Json,
    bucket_row,
    example_input,
    example_snapshot,
    weeks,
)
from tests.processes import Home, samples
from tests.strategies import agent_inputs

OTHER = "88888888-2222-4333-8444-555555555555"


def snapshot(agent_input: AgentInput, snapshot_id: str = SNAPSHOT, source_id: str = SOURCE) -> Snapshot:
    """A snapshot of an input."""
    return example_snapshot(snapshot_id, source_id, agent_input=agent_input)


def made(agent: str = "openai", **changes: Json) -> Run:
    """The run that made a snapshot."""
    fields: dict[str, Json] = {
        **dict.fromkeys(Run.model_fields),
        "run_id": SNAPSHOT,
        "task": SNAPSHOT_TASK,
        "subject": "",
        "number": 1,
        "source_id": SOURCE,
        "user_id": USER,
        "agent": agent,
        "model": MODEL,
        "prompt_version": "1",
        "input": example_input().model_dump_json(),
        "request": {},
        "warnings": (),
        "status": RunStatus.DONE,
        "attempts": 1,
        "timings": {},
        "usage": Usage(),
        "created_at": "2026-11-22T10:00:00Z",
        "elapsed_ms": 1,
        "store": "embedded",
    }
    return Run(**{**fields, **changes})


def compared(first: Mapping[str, object], second: Mapping[str, object], **sides: Json) -> Comparison:
    """Two bucket rows as snapshots, compared."""
    one = snapshot(example_input(bucket_row(**first)))
    other = snapshot(example_input(bucket_row(**second)), OTHER, sides.pop("source_id", SOURCE))
    runs = {"run": made(), "other_run": made(), **sides}
    return compare(view_snapshot(one, "A", runs["run"]), view_snapshot(other, "B", runs["other_run"]))


def test_counts_and_percentage_points() -> None:
    """10 of 35 and 25 of 50: 28.6 % and 50 %, so 15 more, and 21.4 points."""
    found = compared({}, {"price_band_lt_500": 25})
    band = found.price[0]
    assert (band.band, band.before, band.after, band.change) == ("<500", 10, 25, 15)
    assert band.points == pytest.approx(100 * (25 / 50 - 10 / 35))
    assert found.price[1].points == pytest.approx(100 * (25 / 50 - 25 / 35))
    assert [band.change for band in found.latency] == [0, 0, 0, 0]


def test_weeks_of_either_in_order() -> None:
    """A gap is a zero; what a snapshot does not cover is told apart from it, and has no change."""
    found = compared(
        {"weekly_volume": weeks(("2025-W52", 3), ("2026-W02", 4))},
        {"weekly_volume": weeks(("2026-W02", 9), ("2026-W03", 1))},
    )
    assert [(week.week, week.before, week.after, week.change) for week in found.weeks] == [
        ("2025-W52", 3, None, None),
        ("2026-W01", 0, None, None),
        ("2026-W02", 4, 9, 5),
        ("2026-W03", None, 1, None),
    ]


APART = {"weekly_volume": weeks(("2024-W01", 1))}


@pytest.mark.parametrize(
    ("sides", "warnings"),
    [
        pytest.param({}, [], id="nothing"),
        pytest.param(
            {"other_run": made(model="gpt-5")},
            [f"The models differ: first {MODEL}, then gpt-5."],
            id="model",
        ),
        pytest.param(
            {"other_run": made(answered_model="gpt-4o-mini")},
            [f"The models differ: first {MODEL}, then gpt-4o-mini."],
            id="model that answered",
        ),
        pytest.param(
            {"run": made(prompt_version="0")},
            ["The prompt versions differ: first 0, then 1."],
            id="prompt",
        ),
        pytest.param(
            {"run": made("offline")},
            ["The agents differ: first Offline agent, then OpenAI."],
            id="agent",
        ),
        pytest.param(
            {"run": None},
            ["Another program made the first snapshot: its agent, model and prompt are unknown."],
            id="another program",
        ),
        pytest.param(
            {
                "run": made(agent="rehearsal", model="rehearsal-no-usage"),
                "other_run": made(agent="rehearsal", model="rehearsal-no-usage"),
            },
            [
                "The first snapshot is a rehearsal (rehearsal-no-usage).",
                "The second snapshot is a rehearsal (rehearsal-no-usage).",
            ],
            id="rehearsals",
        ),
    ],
)
def test_warnings(sides: dict[str, Json], warnings: list[str]) -> None:
    """Where agent, model or prompt differ, or are not known."""
    assert list(compared(APART, {}, **sides).warnings) == warnings


@pytest.mark.parametrize(
    ("source_id", "why"),
    [
        pytest.param(SOURCE, "The same estimates may count in both.", id="one source"),
        pytest.param(OTHER, "The sources differ.", id="two sources"),
    ],
)
def test_overlapping_weeks(source_id: str, why: str) -> None:
    """Weeks that lie in both are named."""
    longer = {"weekly_volume": weeks(("2026-W02", 1), ("2026-W04", 1))}
    (one,) = compared({}, longer, source_id=source_id).warnings
    assert one == f"Both snapshots cover 1 week (2026-W02). {why}"
    (two,) = compared(longer, longer, source_id=source_id).warnings
    assert two == f"Both snapshots cover 3 weeks (2026-W02 to 2026-W04). {why}"


def test_a_snapshot_against_itself() -> None:
    """It is said, and nothing else."""
    side = view_snapshot(snapshot(example_input()), "A", None)
    assert compare(side, side).warnings == ("You are comparing a snapshot with itself.",)


def test_what_another_program_stored() -> None:
    """Bands and weeks of other names, twice or none at all, are neither lost nor doubled."""
    one = snapshot(example_input())
    answer = one.result.model_dump(mode="json")
    answer["demand"]["price_distribution"] = [{"band": "<500", "count": 1}, {"band": "<500", "count": 2}]
    answer["demand"]["weekly_volume"] = [{"week": "soon", "count": 10**40}, {"week": "2026-W01", "count": 1}]
    answer["decision_latency"]["distribution"] = []
    other = one.model_copy(
        update={"result": SnapshotResult.model_validate(answer, strict=False), "snapshot_id": OTHER}
    )
    found = compare(view_snapshot(one, "", None), view_snapshot(other, "", None))
    assert next((band.band, band.after, band.share_after) for band in found.price) == ("<500", 3, 1)
    assert sum(band.share_after for band in found.latency) == 0
    assert [week.after for week in found.weeks if week.week == "soon"] == [10**40]


@hypothesis_settings(max_examples=30)
@given(agent_inputs(), agent_inputs())
def test_any_two(one: AgentInput, other: AgentInput) -> None:
    """Counts add up to each side's own, points to nothing, and the reverse has the opposite sign."""
    there = compare(view_snapshot(snapshot(one), "", None), view_snapshot(snapshot(other, OTHER), "", None))
    back = compare(view_snapshot(snapshot(other, OTHER), "", None), view_snapshot(snapshot(one), "", None))
    for bands, before in (
        (there.price, one.demand.price_distribution),
        (there.latency, one.decision_latency.distribution),
    ):
        assert [band.before for band in bands] == [band.count for band in before]
        whole = [sum(count) > 0 for count in ([b.before for b in bands], [b.after for b in bands])]
        if all(whole):
            assert sum(band.points for band in bands) == pytest.approx(0, abs=1e-9)
    assert [-band.change for band in there.price] == [band.change for band in back.price]
    assert sum(week.before or 0 for week in there.weeks) == sum(w.count for w in one.demand.weekly_volume)


# -- the command ----------------------------------------------------------------------------------------


def test_the_command(home: Home) -> None:
    """It prints what the page shows, and its JSON what scripts need; of the user's own snapshots alone."""
    home.set(SECONDLOOK_AGENT="offline")
    first = home.snapshot().fields["snapshot_id"]
    home.store(
        "update estimate_buckets set price_band_lt_500 = price_band_lt_500 + 1, "
        "price_band_5000_plus = price_band_5000_plus - 1 where source_id = ?",
        home.sample.source_id,
    )
    home.set(SECONDLOOK_MODEL="gpt-5")
    second = home.snapshot("--regenerate").fields["snapshot_id"]
    found = home.call("compare", first, second).fields
    assert (found["first"]["snapshot_id"], found["second"]["snapshot_id"]) == (first, second)
    assert [band["change"] for band in found["price_distribution"]] == [1, 0, 0, -1]
    assert found["estimates_change"] == 0
    assert found["first"]["source_name"] == home.sample.name
    assert found["warnings"][0] == f"The models differ: first {MODEL}, then gpt-5."
    whole = samples()[0].answer["meta"]["estimate_count"]
    assert found["price_distribution"][0]["points"] == pytest.approx(100 / whole, abs=1e-4)
    assert found == comparison_fields_of(first, second)
    for one, other in ((first, OTHER), ("nonsense", second)):
        error = home.call("compare", one, other).error
        assert (error["code"], error["message"]) == ("source_not_found", "Invalid snapshot_id: not found")
    error = home.call("compare", first, second, "--user", OTHER_USER).error
    assert error["message"] == "Invalid snapshot_id: not found"


def comparison_fields_of(first: str, second: str) -> Json:
    """The same, by the functions that the page calls."""
    services = connect()
    store = services.store(Access(USER))
    return comparison_fields(
        compare(*(read_snapshot_view(store, services.ledger, each, USER) for each in (first, second)))
    )


def test_what_moved_most() -> None:
    """Said where the second is a later snapshot of the same source, and enough estimates changed."""
    before = view_snapshot(snapshot(example_input()), "Acme", None)
    changed = example_input(bucket_row(price_band_lt_500=25, price_band_500_1500=10))
    later = snapshot(changed, OTHER).model_copy(update={"generated_at": "2026-11-23T10:00:00Z"})
    after = view_snapshot(later, "Acme", None)
    found = compare(before, after)
    assert found.moved is not None
    assert found.moved.values["price_band"] == "<500"
    fields = comparison_fields(found)["since_previous"]
    assert isinstance(fields, dict)
    assert fields["sentence"] == found.moved.sentence  # pyright: ignore[reportUnknownMemberType]
    assert compare(after, before).moved is None
    elsewhere = later.model_copy(update={"source_id": OTHER})
    assert compare(before, view_snapshot(elsewhere, "Bravo", None)).moved is None
    few = snapshot(example_input(bucket_row(price_band_lt_500=11, price_band_500_1500=24)), OTHER)
    barely = few.model_copy(update={"generated_at": "2026-11-23T10:00:00Z"})
    assert compare(before, view_snapshot(barely, "Acme", None)).moved is None
