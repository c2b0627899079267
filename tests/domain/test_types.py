"""Domain types are frozen and strict."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from secondlook.domain import answers, base, batches, buckets, runs, snapshots, sources, usage
from secondlook.domain.buckets import BandCount, WeekCount
from secondlook.domain.runs import RunStatus
from secondlook.domain.snapshots import SnapshotResult
from secondlook.domain.sources import SourceQuery
from secondlook.domain.usage import Usage
from tests.examples import Json, echo, example_input

TYPES = {
    model.__name__: model
    for module in (answers, base, batches, buckets, runs, snapshots, sources, usage)
    for model in vars(module).values()
    if isinstance(model, type) and issubclass(model, base.Frozen)
}


@pytest.mark.parametrize("name", sorted(TYPES))
def test_every_type_is_frozen_and_strict(name: str) -> None:
    """Nothing changes under the feet of another thread, and nothing unknown rides along."""
    config = TYPES[name].model_config
    assert (config.get("frozen"), config.get("extra"), config.get("strict")) == (True, "forbid", True)


def test_a_value_cannot_be_changed() -> None:
    """A frozen value refuses an assignment, deep inside too."""
    given = example_input()
    with pytest.raises(ValidationError):
        given.demand.weekly_volume[0].count = 1


@pytest.mark.parametrize(
    "count", [pytest.param(value, id=repr(value)) for value in (-1, 1.0, "1", True, None, float("nan"))]
)
def test_a_count_is_an_integer_of_at_least_0(count: Json) -> None:
    """Nothing is coerced into a count."""
    with pytest.raises(ValidationError):
        WeekCount(week="2026-W01", count=count)
    with pytest.raises(ValidationError):
        BandCount(band="<500", count=count)


def test_the_result_has_exactly_the_locked_keys() -> None:
    """A key more or less is not a SnapshotResult."""
    stored = SnapshotResult.model_validate(echo(), strict=False)
    assert stored.model_dump(mode="json") == echo()
    for wrong in ({**echo(), "note": ""}, {key: value for key, value in echo().items() if key != "meta"}):
        with pytest.raises(ValidationError):
            SnapshotResult.model_validate(wrong, strict=False)


def test_unknown_usage_is_none() -> None:
    """Usage that nobody told is unknown, not 0, and not an estimate."""
    assert Usage().model_dump() == {
        "prompt_tokens": None,
        "completion_tokens": None,
        "total_tokens": None,
        "cached_tokens": None,
        "reasoning_tokens": None,
        "estimated": False,
    }


@pytest.mark.parametrize(
    ("status", "final"),
    [
        (RunStatus.QUEUED, False),
        (RunStatus.CALLING, False),
        (RunStatus.ANSWERED, False),
        (RunStatus.IN_DOUBT, False),
        (RunStatus.DONE, True),
        (RunStatus.FAILED, True),
        (RunStatus.CANCELLED, True),
    ],
)
def test_which_statuses_are_final(status: RunStatus, *, final: bool) -> None:
    """A run with an unknown outcome is not at its end: a late answer or a person moves it on."""
    assert status.final is final


@pytest.mark.parametrize("status", list(RunStatus))
def test_which_statuses_are_active(status: RunStatus) -> None:
    """What continues without intervention: neither at its end nor waiting for a person or a late answer."""
    assert status.active is (not status.final and status is not RunStatus.IN_DOUBT)


def test_the_table_of_statuses_is_whole() -> None:
    """Seven statuses, no more."""
    assert len(RunStatus) == 7


@pytest.mark.parametrize(
    "changes", [{"limit": 0}, {"offset": -1}, {"sort": "amount"}, {"known_total": -1}], ids=str
)
def test_a_page_of_nothing_cannot_be_asked_for(changes: dict[str, Any]) -> None:
    """A query that makes no sense is refused before it reaches a store."""
    with pytest.raises(ValidationError):
        SourceQuery(**changes)
