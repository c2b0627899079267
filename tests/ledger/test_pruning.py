"""Erasing on each kind of database: answers and inputs go, figures stay, unsettled runs are left alone."""

from __future__ import annotations

import time
from collections.abc import Generator
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from secondlook.domain.runs import RunStatus
from secondlook.ledger.database import ledger_database
from secondlook.ledger.pruning import Pruned, Pruning
from secondlook.ledger.runs import Ledger
from secondlook.ledger.usage import DIMENSIONS, UsageLog, UsageQuery
from secondlook.pipeline.outcome import outcome
from secondlook.views.usage import report_fields
from tests.examples import OTHER_USER, USER, body_of, example_answer
from tests.ledger.executing import STATES, Where, cancelled, done, in_doubt, query
from tests.mixed_runs import insert, mixed

ANSWER = "what was answered"


@pytest.fixture
def pruning(ledger: Ledger, where: Where) -> Generator[Pruning]:
    """What erases, on connections of its own."""
    assert ledger.store == "embedded"
    database = ledger_database(where)
    yield Pruning(database)
    database.close()


def figures(usage: UsageLog) -> list[object]:
    """All that Usage shows, and the lists it is made of."""
    ever = [UsageQuery(date(2000, 1, 1), date(2100, 1, 1), by) for by in DIMENSIONS]
    reports: list[object] = [report_fields(usage.report(each)) for each in ever]
    return [*reports, usage.each_call(ever[0]), usage.each_run(ever[0])]


def test_the_figures_stay_and_the_rest_is_gone(pruning: Pruning, usage: UsageLog, where: Where) -> None:
    """Of mixed runs every figure is the same before and after; no finished one has anything left."""
    insert(where, mixed(1_200, seed=5, until=time.time() - 10))
    before = figures(usage)
    expected = pruning.look(older_than_days=0)
    finished = "status in ('done', 'failed', 'cancelled')"
    others = f"select * from runs where not ({finished}) order by run_id"  # noqa: S608 -- no value in it
    [(runs,)] = query(where, f"select count(*) from runs where {finished}")  # noqa: S608 -- as above
    unsettled = query(where, others)
    assert expected.runs == runs
    assert expected.unsettled == len(unsettled) > 0
    assert pruning.erase(older_than_days=0) == expected
    assert figures(usage) == before
    assert query(where, others) == unsettled
    left = f"select distinct input, request, warnings from runs where {finished}"  # noqa: S608 -- as above
    assert len(query(where, left)) == 1
    bodies = f"select count(body) from calls join runs using (run_id) where {finished}"  # noqa: S608 -- as above
    assert query(where, bodies) == [(0,)]
    assert pruning.erase(older_than_days=0) == Pruned(0, 0, 0, expected.unsettled)


def test_nothing_of_it_is_left_in_the_file(ledger: Ledger, pruning: Pruning, where: Where) -> None:
    """Neither the file nor its log hold a piece of an answer, an input or a request any more."""
    run = done(ledger)
    query(where, "update runs set request = ?", f'{{"messages": "{ANSWER}"}}')
    query(where, "update calls set body = ?", ANSWER * 2_000)
    assert pruning.erase(user_id=USER).characters > len(ANSWER) * 2_000
    assert ledger.get(run.run_id).request == {}
    if isinstance(where, Path):
        kept = [path.read_bytes() for path in where.parent.iterdir() if path.name.startswith(where.name)]
        assert kept
        assert not any(piece in each for each in kept for piece in (ANSWER.encode(), b"2026-W01"))


@pytest.mark.parametrize("state", STATES)
def test_only_finished_runs(ledger: Ledger, pruning: Pruning, state: str) -> None:
    """A run that may still go on, or that a person has to resolve, keeps all it has."""
    run = ledger.get(STATES[state](ledger).run_id)
    erased = pruning.erase(older_than_days=0)
    after = ledger.get(run.run_id)
    if run.status.final:
        assert erased.runs == 1
        assert (after.answer, after.request, after.warnings) == (None, {}, ())
        assert after.erased_at is not None
        same = {"status", "attempts", "usage", "cost_usd", "latency_ms", "provider_ms", "error", "answered"}
        assert {name: getattr(after, name) for name in same} == {name: getattr(run, name) for name in same}
    else:
        assert erased == Pruned(0, 0, 0, 1)
        assert after == run.model_copy(update={"elapsed_ms": after.elapsed_ms, "waits_ms": after.waits_ms})


def test_only_what_ended_long_enough_ago_and_only_the_users(
    ledger: Ledger, pruning: Pruning, where: Where
) -> None:
    """Both conditions hold at once: a run counts from its end, not from its beginning."""
    old, recent = done(ledger).run_id, done(ledger).run_id
    query(where, "update runs set created_at = created_at - 90 * 86400")
    query(where, "update runs set finished_at = finished_at - 90 * 86400 where run_id = ?", old)
    assert pruning.look(older_than_days=90, user_id=OTHER_USER) == Pruned(0, 0, 0, 0)
    assert pruning.look(older_than_days=91).runs == 0
    assert pruning.erase(older_than_days=90).runs == 1
    assert [ledger.get(run).erased_at is None for run in (old, recent)] == [False, True]
    assert pruning.erase(user_id=OTHER_USER).runs == 0
    assert pruning.erase(user_id=USER).runs == 1


def test_an_answer_that_comes_after_all(ledger: Ledger, pruning: Pruning) -> None:
    """A late answer of an erased run is kept and priced, as ever, and erased the next time."""
    run = cancelled(ledger)
    pruning.erase(user_id=USER)
    ledger.journal(run.run_id, 1, example_answer(body_of(ANSWER)), Decimal("0.001"))
    assert (ledger.get(run.run_id).cost_usd, ledger.get(run.run_id).status) == (
        Decimal("0.001"),
        RunStatus.CANCELLED,
    )
    erased = pruning.erase(user_id=USER)
    assert (erased.runs, erased.answers) == (0, 1)
    assert ledger.get(run.run_id).cost_usd == Decimal("0.001")
    assert pruning.look(user_id=USER) == Pruned(0, 0, 0, 0)


def test_asking_for_what_was_erased(ledger: Ledger, pruning: Pruning) -> None:
    """Who still asks for the result is told that it was erased; a new run can be made."""
    run = done(ledger)
    pruning.erase(user_id=USER)
    with pytest.raises(Exception, match="The answer of this run was erased at 20") as raised:
        outcome(ledger.get(run.run_id))
    assert getattr(raised.value, "code", None) == "source_not_found"
    in_doubt(ledger)
    assert pruning.look(user_id=USER) == Pruned(0, 0, 0, 1)
