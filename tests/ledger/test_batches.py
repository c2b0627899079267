"""Batches on a ledger: queued at once, released a few at a time, by any number of processes."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from uuid import uuid4

import pytest

from secondlook.domain.batches import Batch, BatchStatus
from secondlook.domain.budgets import Limits
from secondlook.domain.runs import RunStatus
from secondlook.errors import SourceNotFound
from secondlook.ledger.batches import Batches
from secondlook.ledger.budgets import Budgets
from secondlook.ledger.runs import Ledger, open_ledger
from tests.examples import NOBODY, OTHER_USER, USER, example_answer, example_plan
from tests.ledger import executing
from tests.ledger.executing import BUSY, REFUSED, Where, query


@pytest.fixture
def batches(ledger: Ledger) -> Batches:
    """Batches on the ledger."""
    return Batches(ledger._database)  # pyright: ignore[reportPrivateUsage]


def new_batch(
    batches: Batches,
    number: int = 4,
    *,
    user_id: str = USER,
    name: str = "source",
    concurrency: int = 8,
    per_minute: float | None = None,
) -> Batch:
    """A batch of so many sources."""
    plans = [example_plan(f"{name}-{index}", user_id) for index in range(number)]
    batch_id = batches.open(user_id, concurrency=concurrency, per_minute=per_minute)
    batches.fill(batch_id, plans)
    return batches.get(batch_id, user_id)


def done(ledger: Ledger, run_id: str) -> None:
    """A released run is executed to its end."""
    held = executing.calling(ledger, ledger.get(run_id))
    ledger.journal(run_id, held.attempts + 1, example_answer())
    executing.finish(ledger, held)


def test_started(ledger: Ledger, batches: Batches) -> None:
    """All are queued, held by nobody, and none may go on before it is released."""
    batch = new_batch(batches, 450)
    assert (batch.status, batch.counts, batch.skipped) == (BatchStatus.RUNNING, {"queued": 450}, {})
    assert (batch.total, batch.waiting, batch.finished, batch.cost_usd) == (450, 450, 0, 0)
    assert executing.claimable(ledger) == []
    run = ledger.list(USER)[0]
    assert (run.batch_id, run.number, run.waits_ms) == (batch.batch_id, 1, None)
    assert ledger.claim(run.run_id, "somebody") is None


def test_an_empty_batch_ends(batches: Batches) -> None:
    """With nothing to do it is through at once."""
    batch = new_batch(batches, 0)
    assert batches.release(8) == []
    assert batches.get(batch.batch_id, USER).status is BatchStatus.ENDED


def test_a_batch_stands_while_sending_is_off(ledger: Ledger, batches: Batches) -> None:
    """Nothing of it is released, and so nothing refused; it goes on when sending is on again."""
    switch = Budgets(ledger._database, Limits())  # pyright: ignore[reportPrivateUsage]
    batch = new_batch(batches)
    switch.switch(sending=False, by="operator@example.com")
    assert batches.release(8) == []
    assert batches.get(batch.batch_id, USER).status is BatchStatus.RUNNING
    switch.switch(sending=True, by="operator@example.com")
    assert len(batches.release(8)) == 4


def test_of_another_store(ledger: Ledger, batches: Batches) -> None:
    """A process on another store neither releases a batch's runs nor counts what is under way there."""
    elsewhere = Batches(ledger._database, store="another")  # pyright: ignore[reportPrivateUsage]
    new_batch(batches)
    assert (elsewhere.any_running(), elsewhere.release(8)) == (False, [])
    assert len(batches.release(8)) == 4
    new_batch(elsewhere, name="there")
    assert len(elsewhere.release(4)) == 4


@pytest.mark.parametrize("state", list(executing.STATES))
def test_a_source_with_a_run(ledger: Ledger, batches: Batches, state: str) -> None:
    """It is left out, and counted, where its run is unsettled; otherwise it gets its next run."""
    run = executing.STATES[state](ledger)
    left_out = not ledger.get(run.run_id).status.final
    batch_id = batches.open(USER, concurrency=1)
    batches.fill(batch_id, [example_plan()])
    batch = batches.get(batch_id, USER)
    assert (batch.total, batch.skipped) == ((0, {"unsettled": 1}) if left_out else (1, {}))
    newest = ledger.latest(USER, run.source_id)
    assert newest is not None
    assert newest.number == (1 if left_out else 2)


@pytest.mark.parametrize(
    ("concurrency", "capacity", "released"),
    [
        pytest.param(3, 8, 3, id="the batch's"),
        pytest.param(8, 3, 3, id="that of all"),
        pytest.param(8, 0, 0, id="no room"),
        pytest.param(8, 8, 5, id="all there are"),
    ],
)
def test_released(ledger: Ledger, batches: Batches, concurrency: int, capacity: int, released: int) -> None:
    """As many as there are places, in their order; no more before one has ended."""
    new_batch(batches, 5, concurrency=concurrency)
    ids = batches.release(capacity)
    assert len(ids) == len(set(ids)) == released
    assert sorted(executing.claimable(ledger)) == sorted(ids)
    assert batches.release(capacity) == []
    if 0 < released < 5:
        done(ledger, ids[0])
        assert len(batches.release(capacity)) == 1


def test_ended(ledger: Ledger, batches: Batches) -> None:
    """Once its last run has; a failed one and one with an unknown outcome block nothing."""
    batch = new_batch(batches, 3)
    first, second, third = batches.release(8)
    done(ledger, first)
    held = executing.calling(ledger, ledger.get(second))
    ledger.end_call(held, 1, REFUSED)
    assert batches.release(8) == []
    assert batches.get(batch.batch_id, USER).status is BatchStatus.RUNNING
    held = executing.calling(ledger, ledger.get(third))
    ledger.end_call(held, 1, executing.UNKNOWN)
    assert batches.release(8) == []
    ended = batches.get(batch.batch_id, USER)
    assert (ended.status, ended.finished) == (BatchStatus.ENDED, 3)
    assert (ended.counts, ended.failures) == (
        {"done": 1, "failed": 1, "in_doubt": 1},
        {"provider_error": 1},
    )
    assert ended.ended_at is not None
    assert batches.any_running() is False


def test_one_that_waits_keeps_the_batch_running(ledger: Ledger, batches: Batches, where: Where) -> None:
    """A run to be sent again is under way: the batch does not end before it."""
    batch = new_batch(batches, 1)
    (run_id,) = batches.release(8)
    ledger.postpone(executing.calling(ledger, ledger.get(run_id)), 1, BUSY, 60)
    query(where, "update pace set hold_until = 0")
    assert batches.release(8) == []
    assert batches.get(batch.batch_id, USER).status is BatchStatus.RUNNING
    assert (ledger.get(run_id).waits_ms or 0) > 50_000
    assert executing.claimable(ledger) == []


@pytest.mark.parametrize("capacity", [1, 2, 3, 8])
def test_places_go_round(ledger: Ledger, batches: Batches, capacity: int) -> None:
    """Of two batches each gets its part, also where one place becomes free at a time."""
    first, second = new_batch(batches, 24, name="a"), new_batch(batches, 24, name="b", user_id=OTHER_USER)
    order = [ledger.get(run_id).batch_id for run_id in batches.release(capacity)]
    open_ = executing.claimable(ledger)
    while open_:
        done(ledger, open_.pop(0))
        released = batches.release(capacity)
        open_ += released
        order += [ledger.get(run_id).batch_id for run_id in released]
    assert len(order) == 48
    half = Counter(order[:24])
    assert min(half[first.batch_id], half[second.batch_id]) >= 3
    batches.release(capacity)
    assert {batches.get(batch.batch_id, batch.user_id).status for batch in (first, second)} == {
        BatchStatus.ENDED
    }


def test_a_batch_at_its_end_takes_no_places(ledger: Ledger, batches: Batches) -> None:
    """While its last run takes its time, the next batch has all the rest."""
    new_batch(batches, 1, name="a")
    (last,) = batches.release(4)
    new_batch(batches, 9, name="b")
    assert [len(batches.release(capacity)) for capacity in (2, 4, 4)] == [1, 2, 0]
    assert ledger.get(last).status is RunStatus.QUEUED


def test_what_is_under_way_takes_places_of_other_batches(ledger: Ledger, batches: Batches) -> None:
    """Also where its own batch was paused or stopped meanwhile."""
    first = new_batch(batches, 2, name="a", concurrency=2)
    for run_id in batches.release(2):
        executing.calling(ledger, ledger.get(run_id))
    new_batch(batches, 2, name="b")
    batches.pause(first.batch_id, USER)
    assert batches.release(2) == []
    batches.stop(first.batch_id, USER)
    assert len(batches.release(3)) == 1


@pytest.mark.parametrize(("per_minute", "at_once"), [(60, 2), (600, 8), (1, 1), (0.5, 1)])
def test_a_rate(batches: Batches, where: Where, per_minute: float, at_once: int) -> None:
    """At first one, and what a second holds; nothing more before its time; a pause is no credit."""
    new_batch(batches, 30, per_minute=per_minute)
    assert len(batches.release(100)) == at_once
    assert len(batches.release(100)) == 0
    query(where, "update runs set status = 'done' where due_at is not null")
    query(where, "update batches set next_at = next_at - 3600")
    assert len(batches.release(100)) == at_once


def test_processes_release_each_run_once(batches: Batches, where: Where) -> None:
    """Four at the same moment release no more than there is room for, and no run twice."""
    new_batch(batches, 60, concurrency=20)
    start = threading.Barrier(4)

    def release(_: int) -> list[str]:
        with closing(open_ledger(where, lease_seconds=15)) as mine:
            start.wait()
            there = Batches(mine._database)  # pyright: ignore[reportPrivateUsage]
            return [run_id for _ in range(3) for run_id in there.release(16)]

    with ThreadPoolExecutor(4) as pool:
        released = [run_id for ids in pool.map(release, range(4)) for run_id in ids]
    assert len(released) == len(set(released)) == 16


def test_going_on_outside_of_batches(ledger: Ledger, batches: Batches) -> None:
    """A user's single runs, until they end: neither another's nor those of a batch."""
    new_batch(batches, 2)
    assert batches.release(8)
    assert ledger.going_on(USER) == {}
    run = executing.queued(ledger)
    assert ledger.going_on(USER) == {run.run_id: run.source_id}
    assert ledger.going_on(OTHER_USER) == {}
    held = executing.calling(ledger, run)
    assert ledger.going_on(USER) == {run.run_id: run.source_id}
    ledger.end_call(held, 1, executing.UNKNOWN)
    assert ledger.going_on(USER) == {}


# -- a person's decisions -------------------------------------------------------------------------------


def test_paused(ledger: Ledger, batches: Batches) -> None:
    """What was released and not started is recalled; what is held goes on; resumed, all is released."""
    batch = new_batch(batches, 4, concurrency=3)
    held = executing.calling(ledger, ledger.get(batches.release(8)[0]))
    assert batches.pause(batch.batch_id, USER).status is BatchStatus.PAUSED
    assert executing.claimable(ledger) == batches.release(8) == []
    ledger.journal(held.run_id, 1, example_answer())
    executing.finish(ledger, held)
    assert batches.release(8) == []
    assert batches.resume(batch.batch_id, USER).status is BatchStatus.RUNNING
    assert len(batches.release(8)) == 3


def test_stopped(ledger: Ledger, batches: Batches) -> None:
    """What was not started is cancelled; what is in flight ends as if nothing had been."""
    batch = new_batch(batches, 4, concurrency=2)
    held = executing.calling(ledger, ledger.get(batches.release(8)[0]))
    stopped = batches.stop(batch.batch_id, USER)
    assert (stopped.status, stopped.counts) == (BatchStatus.STOPPED, {"calling": 1, "cancelled": 3})
    ledger.journal(held.run_id, 1, example_answer())
    executing.finish(ledger, held)
    assert not batches.release(8)
    ended = batches.get(batch.batch_id, USER)
    assert (ended.status, ended.counts) == (BatchStatus.STOPPED, {"cancelled": 3, "done": 1})


def test_resumed_after_a_stop(ledger: Ledger, batches: Batches) -> None:
    """What the stop cancelled is queued again, and nothing else: not what is done, not what was canceled."""
    batch = new_batch(batches, 6, concurrency=3)
    sent, doubtful, _ = batches.release(8) or []
    held = executing.calling(ledger, ledger.get(doubtful))
    ledger.end_call(held, 1, executing.UNKNOWN)
    done(ledger, sent)
    given_up = next(run for run in ledger.list(USER) if run.run_id not in {sent, doubtful})
    ledger.cancel(given_up.run_id, USER)
    stopped = batches.stop(batch.batch_id, USER)
    assert stopped.counts == {"cancelled": 4, "done": 1, "in_doubt": 1}
    assert (stopped.finished, stopped.ended) == (6, 2)
    ledger.cancel(doubtful, USER)
    again = batches.resume(batch.batch_id, USER)
    assert (again.status, again.ended_at) == (BatchStatus.RUNNING, None)
    assert again.counts == {"cancelled": 2, "done": 1, "queued": 3}
    assert {ledger.get(each.run_id).status for each in (given_up, held)} == {RunStatus.CANCELLED}
    for run_id in batches.release(8) or ():
        done(ledger, run_id)
    assert not batches.release(8)
    ended = batches.get(batch.batch_id, USER)
    assert (ended.status, ended.counts) == (BatchStatus.ENDED, {"cancelled": 2, "done": 4})


@pytest.mark.parametrize("by", ["a run", "a batch"])
def test_resumed_where_a_source_was_asked_for_since(ledger: Ledger, batches: Batches, by: str) -> None:
    """Its newer run is what counts: the cancelled one stays so."""
    batch = new_batch(batches, 3)
    batches.stop(batch.batch_id, USER)
    if by == "a run":
        ledger.submit(str(uuid4()), example_plan("source-1"), number=2)
    else:
        other = new_batch(batches, 2)
        batches.stop(other.batch_id, USER)
    again = batches.resume(batch.batch_id, USER)
    left = 1 if by == "a run" else 2
    assert again.counts == {"cancelled": left, "queued": 3 - left}


@pytest.mark.parametrize("decision", ["pause", "stop"])
def test_the_time_in_which_it_stood(ledger: Ledger, batches: Batches, where: Where, decision: str) -> None:
    """A batch's rate is that of the time in which it went on."""
    batch = new_batch(batches, 2, concurrency=1)
    done(ledger, (batches.release(8) or [])[0])
    getattr(batches, decision)(batch.batch_id, USER)
    query(where, "update batches set created_at = created_at - 3600, halted_at = halted_at - 3590")
    stood = batches.get(batch.batch_id, USER)
    assert 10 <= stood.elapsed_s < 60
    again = batches.resume(batch.batch_id, USER)
    assert 10 <= again.elapsed_s < 60
    assert again.left_s is not None
    assert again.left_s < 60


@pytest.mark.parametrize(
    ("decision", "status", "due"),
    [
        pytest.param("none", RunStatus.QUEUED, True, id="running"),
        pytest.param("pause", RunStatus.QUEUED, False, id="paused"),
        pytest.param("stop", RunStatus.FAILED, False, id="stopped"),
    ],
)
def test_postponed(
    ledger: Ledger, batches: Batches, where: Where, decision: str, status: RunStatus, *, due: bool
) -> None:
    """A request that was not processed is resent automatically only where its batch goes on."""
    batch = new_batch(batches, 1)
    held = executing.calling(ledger, ledger.get(batches.release(8)[0]))
    if decision != "none":
        getattr(batches, decision)(batch.batch_id, USER)
    ledger.postpone(held, 1, BUSY, 0)
    run = ledger.get(held.run_id)
    assert (run.status, run.owner) == (status, None)
    assert executing.claimable(ledger) == [held.run_id] * due
    assert query(where, "select outcome from calls") == [("not_processed",)]
    if status is RunStatus.FAILED:
        assert run.error is not None
        assert run.error.message == BUSY.message


@pytest.mark.parametrize("decision", ["pause", "resume", "stop", "get"])
@pytest.mark.parametrize("who", [OTHER_USER, NOBODY])
def test_another_users_batch(batches: Batches, decision: str, who: str) -> None:
    """Nobody else learns that it is there, or changes it."""
    batch = new_batch(batches)
    with pytest.raises(SourceNotFound, match=r"^Invalid batch_id: not found$"):
        getattr(batches, decision)(batch.batch_id, who)
    assert batches.list(who) == []
    assert batches.get(batch.batch_id, USER).status is BatchStatus.RUNNING


def test_listed(batches: Batches) -> None:
    """A user's, newest first."""
    made = [new_batch(batches, 1, name=name).batch_id for name in "abc"]
    new_batch(batches, 1, user_id=OTHER_USER)
    assert [batch.batch_id for batch in batches.list(USER)] == made[::-1]
    assert [batch.batch_id for batch in batches.list(USER, limit=2)] == made[:0:-1]
    assert list(batches.statuses(USER)) == made[::-1]


def test_in_flight_is_what_was_released(ledger: Ledger, batches: Batches, where: Where) -> None:
    """One figure for all who look: held runs are not in flight; a claimed one is, also after a stop."""
    batch_id = new_batch(batches, 4, concurrency=2).batch_id
    first, second = batches.release(8)
    executing.calling(ledger, ledger.get(first))
    held = executing.claimed(ledger, ledger.get(second))

    def seen() -> tuple[int, int, bool]:
        now = batches.get(batch_id, USER)
        return now.held, now.in_flight, now.moving

    assert seen() == (2, 2, True)
    batches.pause(batch_id, USER)
    assert seen() == (2, 2, True)
    batches.stop(batch_id, USER)
    assert seen() == (0, 2, True)
    stopped = batches.get(batch_id, USER)
    assert (stopped.completed, stopped.finished) == (0, 2)  # what a stop canceled can be resumed
    executing.expire(where, held.run_id)
    ledger.cancel(held.run_id, USER)
    done_one = ledger.get(first)
    ledger.journal(first, 1, example_answer())
    executing.finish(ledger, done_one)
    assert seen() == (0, 0, False)


def test_a_batch_that_nobody_fills_any_more(batches: Batches, where: Where) -> None:
    """The ledger tells it, by how long nobody has queued a run of it: no process or page has to remember."""
    batch_id = batches.open(USER, concurrency=1)
    assert not batches.get(batch_id, USER).stalled
    executing.query(where, "update batches set created_at = created_at - 60 where batch_id = ?", batch_id)
    assert batches.get(batch_id, USER).stalled
    batches.fill(batch_id, [example_plan()])
    assert not batches.get(batch_id, USER).stalled
