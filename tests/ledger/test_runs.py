"""What the ledger guarantees: one unfinished run per source, one worker, one call, no answer lost."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from decimal import Decimal
from typing import TypeVar
from uuid import uuid4

import pytest
import sqlalchemy as sa

from secondlook.connections import database
from secondlook.connections.migrations import migrate
from secondlook.domain.runs import RunStatus
from secondlook.domain.usage import Usage
from secondlook.errors import InDoubt, LedgerUnavailable, SourceNotFound, StoreUnavailable
from secondlook.ledger import tables
from secondlook.ledger.database import ledger_database
from secondlook.ledger.migrations import MIGRATIONS
from secondlook.ledger.runs import Ledger, open_ledger
from tests.examples import NOBODY, OTHER_USER, SOURCE, USER, example_answer, example_input, example_plan
from tests.ledger import executing
from tests.ledger.executing import REFUSED, UNKNOWN, Where, expire, next_number, query
from tests.processes import at_once

T = TypeVar("T")
THREADS = 8
RUN = "77777777-2222-4333-8444-555555555555"
ANOTHER = "88888888-2222-4333-8444-555555555555"


def race(work: Callable[[int], T]) -> list[T]:
    """What eight threads get that do the same at the same moment."""
    start = threading.Barrier(THREADS)

    def run(number: int) -> T:
        start.wait()
        return work(number)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(run, range(THREADS)))


# -- submitting -----------------------------------------------------------------------------------------


def test_a_new_run(ledger: Ledger) -> None:
    """Queued, with its plan, nothing sent, nothing known of an answer."""
    run = ledger.submit(RUN, example_plan(warnings=("odd",)), number=1)
    assert run == ledger.get(RUN, USER).model_copy(update={"elapsed_ms": run.elapsed_ms})
    assert (run.run_id, run.number) == (RUN, 1)
    assert (run.status, run.attempts, run.owner, run.error) == (RunStatus.QUEUED, 0, None, None)
    assert (run.source_id, run.user_id, run.agent, run.warnings) == (SOURCE, USER, "offline", ("odd",))
    assert run.input == example_input().model_dump_json()
    assert run.request == example_plan().request
    assert run.prompt_version == example_plan().prompt_version
    assert (run.answer, run.usage, run.cost_usd, run.generated_at) == (None, Usage(), None, None)
    assert (run.started_at, run.finished_at) == (None, None)


@pytest.mark.parametrize("number", [1, 2], ids=["who saw no run", "who saw it"])
@pytest.mark.parametrize("state", ["queued", "claimed", "calling", "answered"])
def test_asking_again_joins_the_active_run(ledger: Ledger, state: str, number: int) -> None:
    """While a run is active there is no second one."""
    run = executing.STATES[state](ledger)
    joined = ledger.submit(ANOTHER, example_plan(), number=number)
    assert (joined.run_id, joined.number) == (run.run_id, 1)
    assert len(ledger.list(USER)) == 1


@pytest.mark.parametrize("state", ["done", "failed", "cancelled"])
def test_after_the_end_a_new_run_can_begin(ledger: Ledger, state: str) -> None:
    """A finished run does not block whoever has seen it."""
    run = executing.STATES[state](ledger)
    started = ledger.submit(ANOTHER, example_plan(), number=run.number + 1)
    assert (started.run_id, started.number, started.status) == (ANOTHER, 2, RunStatus.QUEUED)
    assert {each.run_id for each in ledger.list(USER)} == {run.run_id, ANOTHER}


@pytest.mark.parametrize("state", ["done", "failed", "cancelled"])
def test_a_run_that_came_and_went_is_joined(ledger: Ledger, state: str) -> None:
    """Who looked before it began and submits after its end gets that run, whatever became of it."""
    run = executing.STATES[state](ledger)
    assert ledger.submit(ANOTHER, example_plan(), number=1) == ledger.get(run.run_id)
    assert [each.run_id for each in ledger.list(USER)] == [run.run_id]


@pytest.mark.parametrize("number", [1, 2])
def test_of_several_runs_the_newest_is_joined(ledger: Ledger, where: Where, number: int) -> None:
    """Whatever a late caller saw, it gets the newest run, by number and not by the clock."""
    executing.done(ledger)
    newest = executing.failed(ledger)
    query(where, "update runs set created_at = 0 where run_id = ?", newest.run_id)  # a clock that was set
    latest = ledger.latest(USER, SOURCE)
    assert latest is not None
    assert (latest.run_id, latest.number) == (newest.run_id, 2)
    assert ledger.submit(ANOTHER, example_plan(), number=number).run_id == newest.run_id
    assert len(ledger.list(USER)) == 2


@pytest.mark.parametrize("number", [1, 2], ids=["who saw no run", "who saw it"])
def test_in_doubt_a_new_run_is_refused(ledger: Ledger, number: int) -> None:
    """A person resolves the unknown outcome first; the error says which and how."""
    run = executing.in_doubt(ledger)
    with pytest.raises(InDoubt) as caught:
        ledger.submit(ANOTHER, example_plan(), number=number)
    assert caught.value.run_id == run.run_id
    assert caught.value.message == UNKNOWN.message
    assert f"secondlook resend {run.run_id}" in caught.value.hint
    assert len(ledger.list(USER)) == 1


def test_each_source_and_user_has_its_own(ledger: Ledger) -> None:
    """A run of one source stands in no other's way."""
    other = SOURCE.replace("1", "2")
    ids = {
        executing.queued(ledger, source, user).run_id
        for source in (SOURCE, other)
        for user in (USER, OTHER_USER)
    }
    assert len(ids) == 4


def test_eight_at_once_get_one_run(ledger: Ledger) -> None:
    """Whoever asks at the same moment gets the same run."""
    runs = race(lambda _: ledger.submit(str(uuid4()), example_plan(), number=1).run_id)
    assert len(set(runs)) == 1
    assert len(ledger.list(USER)) == 1


def test_eight_at_once_get_one_run_after_another(ledger: Ledger) -> None:
    """So it is where there were runs before: of those who saw the same newest one, one makes the next."""
    executing.done(ledger)
    for number in (2, 3):
        runs = race(lambda _, number=number: ledger.submit(str(uuid4()), example_plan(), number=number))
        assert {run.number for run in runs} == {number}
        assert len({run.run_id for run in runs}) == 1
        ledger.cancel(runs[0].run_id, USER)
    assert sorted(run.number for run in ledger.list(USER)) == [1, 2, 3]


def test_eight_at_once_each_execute_what_they_get(ledger: Ledger) -> None:
    """Some submit while the run goes on and some after its end: one run, one call all the same."""

    def submit_and_execute(_: int) -> str:
        run = ledger.submit(str(uuid4()), example_plan(), number=1)
        held = ledger.claim(run.run_id, uuid4().hex)
        if held is not None and ledger.begin_call(held) is not None:
            ledger.journal(held.run_id, 1, example_answer())
            executing.finish(ledger, held)
        return run.run_id

    assert len(set(race(submit_and_execute))) == 1
    assert [(run.attempts, run.status) for run in ledger.list(USER)] == [(1, RunStatus.DONE)]


# -- executing -------------------------------------------------------------------------------------------


def test_eight_at_once_one_executes(ledger: Ledger) -> None:
    """A claim is a compare-and-set."""
    run = executing.queued(ledger)
    claims = [claim for claim in race(lambda number: ledger.claim(run.run_id, f"owner-{number}")) if claim]
    assert len(claims) == 1
    assert ledger.get(run.run_id).owner == claims[0].owner


def test_eight_at_once_one_call_begins(ledger: Ledger) -> None:
    """The same worker cannot send twice, however it tries."""
    held = executing.claimed(ledger)
    assert sorted(race(lambda _: ledger.begin_call(held) or 0)) == [0] * 7 + [1]
    assert ledger.get(held.run_id).attempts == 1


def test_a_call_begins_once(ledger: Ledger, where: Where) -> None:
    """Not again after it began, nor by who claims the run later."""
    held = executing.calling(ledger)
    assert ledger.begin_call(held) is None
    expire(where, held.run_id)
    again = ledger.claim(held.run_id, "another")
    assert again is not None
    assert again.status is RunStatus.CALLING
    assert ledger.begin_call(again) is None
    assert ledger.get(held.run_id).attempts == 1


def test_a_lease_runs_out(where: Where) -> None:
    """A dead worker's run can be claimed by another once its lease is over, and not before."""
    with closing(open_ledger(where, lease_seconds=1)) as ledger:
        held = executing.claimed(ledger)
        assert ledger.claim(held.run_id, "another") is None
        assert executing.claimable(ledger) == []
        time.sleep(1.1)
        assert executing.claimable(ledger) == [held.run_id]
        assert ledger.claim(held.run_id, "another") is not None
        assert ledger.begin_call(held) is None


def test_a_heartbeat_keeps_the_lease(where: Where) -> None:
    """While its worker lives a run is not taken away, however long it takes."""
    with closing(open_ledger(where, lease_seconds=1)) as ledger:
        held = executing.claimed(ledger)
        with ledger.held(held):
            for _ in range(4):
                time.sleep(0.4)
                assert ledger.claim(held.run_id, "another") is None


def test_an_exception_lets_go(ledger: Ledger) -> None:
    """A worker that cannot go on leaves the run to the next at once."""
    held = executing.claimed(ledger)

    def stumble() -> None:
        with ledger.held(held):
            raise ValueError("stumbled")

    with pytest.raises(ValueError, match="stumbled"):
        stumble()
    assert executing.claimable(ledger) == [held.run_id]
    assert ledger.claim(held.run_id, "another") is not None


@pytest.mark.parametrize("state", ["in_doubt", "failed", "done", "cancelled"])
def test_the_end_lets_go(ledger: Ledger, state: str) -> None:
    """Where the worker's part ends nobody owns the run, and nobody picks it up."""
    run = executing.STATES[state](ledger)
    assert ledger.get(run.run_id).owner is None
    assert executing.claimable(ledger) == []


def test_who_dies_with_a_request_out_leaves_it_in_doubt(ledger: Ledger, where: Where) -> None:
    """Whoever claims a run that was calling can only find its outcome unknown."""
    held = executing.calling(ledger)
    expire(where, held.run_id)
    again = ledger.claim(held.run_id, "another")
    assert again is not None
    ledger.abandon_call(again)
    run = ledger.get(held.run_id)
    assert run.status is RunStatus.IN_DOUBT
    assert run.error is not None
    assert run.error.code == "in_doubt"
    assert executing.claimable(ledger) == []


def test_the_oldest_is_picked_up_first(ledger: Ledger, where: Where) -> None:
    """What waits longest goes on first."""
    ids = [executing.queued(ledger, source_id=f"source-{number}").run_id for number in range(4)]
    for number, run_id in enumerate(ids):
        query(where, "update runs set created_at = ? where run_id = ?", 1000 - number, run_id)
    assert executing.claimable(ledger) == ids[::-1]


# -- answers --------------------------------------------------------------------------------------------


def test_an_answer_is_kept_whole(ledger: Ledger) -> None:
    """The body as it came, the usage, who answered, and the time from which the snapshot dates."""
    body = '{"odd": "\\ud800", "text": "\u20ac\\n"} \x00'
    held = executing.calling(ledger)
    ledger.journal(held.run_id, 1, example_answer(body))
    run = ledger.get(held.run_id)
    assert run.status is RunStatus.ANSWERED
    assert run.answer == body
    assert run.usage == Usage(prompt_tokens=400, completion_tokens=150, total_tokens=550, cached_tokens=100)
    assert (run.answered_model, run.request_id) == ("gpt-4o-2024-08-06", "req_1")
    assert (run.latency_ms, run.provider_ms, run.attempts) == (12, 7, 1)
    assert run.generated_at is not None
    assert time.strptime(run.generated_at, "%Y-%m-%dT%H:%M:%SZ")


def test_unknown_usage_stays_unknown(ledger: Ledger) -> None:
    """Null is kept as null, never as 0."""
    held = executing.calling(ledger)
    given = example_answer(usage=Usage(), model=None, request_id=None, provider_ms=None)
    ledger.journal(held.run_id, 1, given)
    ledger.finish(held, timings={})
    run = ledger.get(held.run_id)
    assert (run.usage, run.cost_usd, run.answered_model, run.request_id) == (Usage(), None, None, None)


def test_a_late_answer_resolves_a_run_in_doubt(ledger: Ledger) -> None:
    """Without a person: the run can go on, and its error is gone."""
    held = executing.in_doubt(ledger)
    ledger.journal(held.run_id, 1, example_answer("late"))
    run = ledger.get(held.run_id)
    assert (run.status, run.answer, run.error, run.finished_at) == (RunStatus.ANSWERED, "late", None, None)
    assert executing.claimable(ledger) == [held.run_id]


def test_a_late_answer_resolves_a_run_that_was_queued_again(ledger: Ledger) -> None:
    """A late answer that comes before the second request goes out saves it."""
    held = executing.in_doubt(ledger)
    ledger.resend(held.run_id, USER)
    again = executing.claimed(ledger, ledger.get(held.run_id))
    ledger.journal(held.run_id, 1, example_answer("late"))
    assert ledger.begin_call(again) is None
    run = ledger.get(held.run_id)
    assert (run.status, run.answer, run.attempts) == (RunStatus.ANSWERED, "late", 1)


def test_the_first_answer_counts_and_the_second_is_kept(ledger: Ledger, where: Where) -> None:
    """Sent twice and answered twice: one result, both answers for QA, and what both used."""
    held = executing.in_doubt(ledger)
    again = executing.calling(ledger, ledger.resend(held.run_id, USER))
    ledger.journal(held.run_id, 2, example_answer("of the second"), Decimal("0.0025"))
    generated_at = ledger.get(held.run_id).generated_at
    ledger.journal(held.run_id, 1, example_answer("of the first, late"))
    ledger.finish(again, timings={})
    run = ledger.get(held.run_id)
    assert (run.answer, run.attempts, run.generated_at) == ("of the second", 2, generated_at)
    kept = query(where, "select number, body, prompt_tokens, cost_nanousd from calls order by number")
    assert kept == [(1, "of the first, late", 400, None), (2, "of the second", 400, 2_500_000)]


@pytest.mark.parametrize("state", ["cancelled", "done", "failed"])
def test_an_answer_after_the_end_is_kept(ledger: Ledger, where: Where, state: str) -> None:
    """A run that is at its end stays there; what was paid for is kept all the same."""
    run = executing.STATES[state](ledger)
    before = ledger.get(run.run_id)
    ledger.journal(run.run_id, 1, example_answer("late"))
    after = ledger.get(run.run_id)
    assert (after.status, after.generated_at) == (before.status, before.generated_at)
    assert query(where, "select body, total_tokens, outcome from calls") == [("late", 550, "answered")]


def test_canceled_and_answered_at_once(ledger: Ledger) -> None:
    """The deadline passes as the answer is journaled: the answer wins, in either order."""
    held = executing.answered(ledger)
    ledger.end_call(held, 1, UNKNOWN)
    run = ledger.get(held.run_id)
    assert (run.status, run.error) == (RunStatus.ANSWERED, None)


# -- the end --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cost", [Decimal("0.123456789"), Decimal("0.000000001"), Decimal(0), Decimal("0.1"), None], ids=str
)
def test_cost_is_exact(ledger: Ledger, where: Where, cost: Decimal | None) -> None:
    """Money is kept in billionths of a dollar, unknown as null."""
    held = executing.answered(ledger, cost)
    ledger.finish(held, timings={})
    assert ledger.get(held.run_id).cost_usd == cost
    nano = None if cost is None else int(cost * 10**9)
    assert query(where, "select cost_nanousd from calls") == [(nano,)]


def test_a_run_that_is_done(ledger: Ledger) -> None:
    """Its timings and warnings add to those of its preparation."""
    held = executing.answered(ledger, Decimal("0.0025"))
    ledger.finish(held, timings={"call": 1.5}, warnings=("status changed",))
    run = ledger.get(held.run_id)
    assert (run.status, run.error, run.cost_usd) == (RunStatus.DONE, None, Decimal("0.0025"))
    assert run.timings == {"load": 1.0, "check": 1.0, "call": 1.5}
    assert run.warnings == ("status changed",)
    assert run.finished_at is not None


def test_a_run_that_failed(ledger: Ledger, where: Where) -> None:
    """The error is kept with its run and its call, the status and request id among it."""
    held = executing.failed(ledger)
    run = ledger.get(held.run_id)
    assert run.error is not None
    assert (run.error.code, run.error.message) == ("provider_error", REFUSED.message)
    assert run.finished_at is not None
    assert query(where, "select outcome, http_status, request_id from calls") == [("refused", 401, "req_9")]


def test_a_rejected_answer_keeps_answer_reason_and_path(ledger: Ledger) -> None:
    """For QA: what came, what it cost, and where it first differed."""
    held = executing.answered(ledger)
    executing.reject(ledger, held)
    run = ledger.get(held.run_id)
    assert run.status is RunStatus.FAILED
    assert run.error is not None
    assert (run.error.code, run.error.reason, run.error.path) == ("answer_rejected", "mismatch", "meta")
    assert run.answer is not None
    assert run.usage.total_tokens == 550


def test_a_store_that_is_down_holds_up_a_run(ledger: Ledger) -> None:
    """It stays answered, says why, and can be picked up again at once."""
    held = executing.answered(ledger)
    ledger.block(held, StoreUnavailable("The store is down"))
    run = ledger.get(held.run_id)
    assert run.status is RunStatus.ANSWERED
    assert run.error is not None
    assert run.error.code == "store_unavailable"
    assert executing.claimable(ledger) == [held.run_id]


def test_resending_clears_the_doubt(ledger: Ledger) -> None:
    """Queued again, its attempts still counted; the next call is the second."""
    held = executing.in_doubt(ledger)
    run = ledger.resend(held.run_id, USER)
    assert (run.status, run.attempts, run.error) == (RunStatus.QUEUED, 1, None)
    again = executing.claimed(ledger, run)
    assert ledger.begin_call(again) == 2


def test_canceling_lets_a_new_run_begin(ledger: Ledger) -> None:
    """A canceled run is finished."""
    held = executing.in_doubt(ledger)
    run = ledger.cancel(held.run_id, USER)
    assert (run.status, run.owner) == (RunStatus.CANCELLED, None)
    assert run.finished_at is not None
    assert ledger.submit(ANOTHER, example_plan(), number=2).run_id == ANOTHER


# -- reading --------------------------------------------------------------------------------------------


def test_a_user_reads_only_their_own(ledger: Ledger) -> None:
    """No listing, no id and no source shows another's run."""
    mine, others = executing.queued(ledger), executing.queued(ledger, user_id=OTHER_USER)
    assert [run.run_id for run in ledger.list(USER)] == [mine.run_id]
    for user, run in ((USER, mine), (OTHER_USER, others)):
        found = ledger.latest(user, SOURCE)
        assert found is not None
        assert (found.run_id, found.number) == (run.run_id, 1)
    assert ledger.latest(NOBODY, SOURCE) is None
    with pytest.raises(SourceNotFound, match=r"^Invalid run_id: not found$"):
        ledger.get(others.run_id, USER)


@pytest.mark.parametrize(
    "run_id",
    ["no-such-run", "", "\ud800", "' or 1=1 --", ANOTHER],
    ids=["text", "empty", "surrogate", "SQL", "unknown"],
)
@pytest.mark.parametrize("user", [USER, OTHER_USER])
def test_no_run_is_like_another(ledger: Ledger, run_id: str, user: str) -> None:
    """A malformed run id, an unknown one and another's cannot be told apart: not by message, not by hint."""
    others = executing.in_doubt(ledger, user_id=NOBODY)
    for ask in (ledger.get, ledger.resend, ledger.cancel):
        for wanted in (run_id, others.run_id):
            with pytest.raises(SourceNotFound, match=r"^Invalid run_id: not found$") as caught:
                ask(wanted, user)
            assert (caught.value.hint, caught.value.run_id) == (
                "Check the run's id; `secondlook runs` lists a user's runs.",
                None,
            )
    with pytest.raises(SourceNotFound, match=r"^Invalid run_id: not found$"):
        ledger.get(run_id)
    assert ledger.get(others.run_id).status is RunStatus.IN_DOUBT


def test_a_run_id_may_be_written_in_any_form(ledger: Ledger) -> None:
    """Capitals and missing dashes are the same UUID, for whoever asks about a run or resolves it."""
    run = executing.in_doubt(ledger)
    written = run.run_id.upper().replace("-", "")
    assert ledger.get(written, USER).run_id == run.run_id
    assert ledger.resend(written, USER).status is RunStatus.QUEUED
    assert ledger.cancel(written, USER).status is RunStatus.CANCELLED


def test_listing(ledger: Ledger, where: Where) -> None:
    """Newest first, a status where one is asked for, a page at a time."""
    ids = [executing.queued(ledger, source_id=f"source-{number}").run_id for number in range(5)]
    for number, run_id in enumerate(ids):
        query(where, "update runs set created_at = ? where run_id = ?", 1000 + number, run_id)
    ledger.cancel(ids[2], USER)
    assert [run.run_id for run in ledger.list(USER)] == ids[::-1]
    assert [run.run_id for run in ledger.list(USER, status=RunStatus.CANCELLED)] == [ids[2]]
    assert [run.run_id for run in ledger.list(USER, limit=2, offset=1)] == [ids[3], ids[2]]
    assert ledger.list(USER)[-1].created_at == "1970-01-01T00:16:40Z"


@pytest.mark.parametrize("state", list(executing.STATES))
def test_latest(ledger: Ledger, state: str) -> None:
    """The newest run of that source and user in any state; active if it continues without intervention."""
    executing.done(ledger)
    executing.queued(ledger, source_id=NOBODY)
    run = executing.STATES[state](ledger)
    found = ledger.latest(USER, SOURCE)
    assert found is not None
    assert (found.run_id, found.number) == (run.run_id, 2)
    assert found.status.active is (state in {"queued", "claimed", "calling", "answered"})


# -- the database ---------------------------------------------------------------------------------------


def test_a_ledger_outlives_its_process(where: Where) -> None:
    """What was journaled is there for the next."""
    with closing(open_ledger(where, lease_seconds=15)) as ledger:
        held = executing.answered(ledger)
        before = ledger.get(held.run_id)
    with closing(open_ledger(where, lease_seconds=15)) as ledger:
        after = ledger.get(held.run_id)
        assert after.model_dump(exclude={"elapsed_ms"}) == before.model_dump(exclude={"elapsed_ms"})
    assert query(where, "select count(*) from migrations") == [(len(MIGRATIONS),)]


@pytest.fixture
def locked(where: Where, monkeypatch: pytest.MonkeyPatch) -> Generator[Ledger]:
    """A ledger that another process does not release."""
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.1)
    with closing(open_ledger(where, lease_seconds=15)) as opened:
        executing.claimed(opened)
        with executing.locked(where):
            yield opened


WRITES: dict[str, Callable[[Ledger], object]] = {
    "submit": lambda ledger: ledger.submit(ANOTHER, example_plan("another"), number=1),
    "claim": lambda ledger: ledger.claim(ANOTHER, "owner"),
    "begin_call": lambda ledger: ledger.begin_call(ledger.list(USER)[0]),
    "resend": lambda ledger: ledger.resend(ANOTHER, USER),
    "cancel": lambda ledger: ledger.cancel(ANOTHER, USER),
    "ping": lambda ledger: ledger.ping(),
}


@pytest.mark.parametrize("write", list(WRITES))
def test_a_locked_ledger_is_a_clear_error(locked: Ledger, write: str) -> None:
    """It says so, and reading still works."""
    with pytest.raises(LedgerUnavailable) as caught:
        WRITES[write](locked)
    assert caught.value.message in {
        "The ledger cannot be used: database is locked",
        "The ledger cannot be used: canceling statement due to lock timeout",
    }
    assert locked.list(USER)[0].attempts == 0


def test_an_answer_waits_for_a_locked_ledger(where: Where, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was paid for is not thrown away because the ledger is busy for a while."""
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.1)
    with closing(open_ledger(where, lease_seconds=15)) as ledger:
        held = executing.calling(ledger)
        with executing.locked(where) as release:
            later = threading.Timer(0.4, release)
            later.start()
            assert ledger.journal(held.run_id, 1, example_answer("patient"))
            later.join()
        assert ledger.get(held.run_id).answer == "patient"


OPENER = """
import sys
from pathlib import Path
from secondlook.ledger.runs import open_ledger
where = sys.argv[1] if "://" in sys.argv[1] else Path(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
open_ledger(where, lease_seconds=15).close()
print("opened", flush=True)
"""


def test_two_processes_migrate_at_once(where: Where) -> None:
    """The second waits for the first and finds it done."""
    assert at_once(OPENER, [str(where)], [str(where)]) == ["opened\n"] * 2
    assert query(where, "select count(*) from migrations") == [(len(MIGRATIONS),)]
    with closing(open_ledger(where, lease_seconds=15)) as ledger:
        assert executing.queued(ledger).status is RunStatus.QUEUED


def test_eight_threads_migrate_at_once(new_database: Callable[[], Where]) -> None:
    """So do threads, each with a connection of its own."""
    for where in (new_database() for _ in range(5)):
        for opened in race(lambda _, where=where: open_ledger(where, lease_seconds=15)):
            opened.close()
        assert query(where, "select count(*) from migrations") == [(len(MIGRATIONS),)]


V03 = 3
"""How many migrations the version before batches knew."""

ADDED = {"subject", "erased_at", "batch_id", "due_at", "reservation", "task", "reasoning_tokens"}


def test_an_older_ledger_is_brought_up_to_date(where: Where) -> None:
    """It gets what it has not seen, in order, and keeps what it has."""
    ledger_database(where, MIGRATIONS[:1]).close()
    seen = query(where, "select * from migrations")
    with closing(open_ledger(where, lease_seconds=15)) as ledger:
        assert executing.queued(ledger).status is RunStatus.QUEUED
    names = query(where, "select name, applied_at from migrations order by name")
    assert names[:1] == seen
    assert [name for name, _ in names] == sorted(name for name, _ in MIGRATIONS)


@pytest.mark.parametrize("state", list(executing.STATES))
def test_runs_of_the_version_before(state: str, ledger: Ledger, new_database: Callable[[], Where]) -> None:
    """What it left in any state is as it was, and goes on from there, without any mention of budgets."""
    run_id = executing.STATES[state](ledger).run_id
    before = ledger.get(run_id)
    where = new_database()
    with closing(ledger_database(where, MIGRATIONS[:V03])) as older:
        for table in (tables.runs, tables.calls):
            columns = [column for column in table.c if column.name not in ADDED]
            kept = ledger._database.read(lambda c, columns=columns: c.execute(sa.select(*columns)).all())  # pyright: ignore[reportPrivateUsage]
            for row in kept:
                older.write(lambda c, table=table, row=row: c.execute(sa.insert(table).values(row._asdict())))  # pyright: ignore[reportPrivateUsage]
    with closing(open_ledger(where, lease_seconds=15)) as newer:
        ignored = {"elapsed_ms"}
        assert newer.get(run_id).model_dump(exclude=ignored) == before.model_dump(exclude=ignored)
        if state == "in_doubt":
            newer.resend(run_id, USER)
        executing.expire(where, run_id)
        assert executing.claimable(newer) == [run_id] * (before.status.active or state == "in_doubt")
        held = newer.claim(run_id, "owner")
        if held is None:
            return
        if held.status is RunStatus.CALLING:
            newer.abandon_call(held)
            newer.journal(run_id, held.attempts, example_answer())
            held = newer.claim(run_id, "another") or held
        elif held.status is RunStatus.QUEUED:
            number = newer.begin_call(held)
            assert number is not None
            assert number == before.attempts + 1
            newer.journal(run_id, number, example_answer())
        executing.finish(newer, held)
        assert executing.claimable(newer) == [] or state == "calling"


def test_others_keep_tables_in_the_same_database(where: Where) -> None:
    """A module with migrations of its own shares the database, its connections and its list of migrations."""

    def beside(connection: sa.Connection) -> None:
        connection.exec_driver_sql("create table beside (id text primary key)")

    with closing(ledger_database(where)) as shared:
        for source in ("first", "second"):
            ledger = Ledger(shared, lease_seconds=15)
            migrate(shared, (("beside_001", beside),))
            executing.queued(ledger, source)
    assert query(where, "select count(*) from beside") == [(0,)]
    assert query(where, "select count(*) from migrations") == [(len(MIGRATIONS) + 1,)]


def test_the_clock_is_the_databases(ledger: Ledger) -> None:
    """Seconds since 1970 as they pass, also within a transaction."""

    def ticks(connection: sa.Connection) -> tuple[float, float]:
        before = connection.scalar(sa.select(database.now()))
        time.sleep(0.1)
        after = connection.scalar(sa.select(database.now()))
        assert before is not None
        assert after is not None
        return before, after

    first, second = ledger._database.read(ticks)  # pyright: ignore[reportPrivateUsage]
    assert abs(first - time.time()) < 5
    assert 0.05 < second - first < 5


def test_input_and_request_are_what_was_sent(ledger: Ledger, where: Where) -> None:
    """They are kept as JSON that anyone can read, whatever happens to the buckets later."""
    run = executing.queued(ledger)
    ((kept_input, kept_request),) = query(
        where, "select input, request from runs where run_id = ?", run.run_id
    )
    assert json.loads(str(kept_input)) == example_input().model_dump(mode="json")
    assert json.loads(str(kept_request)) == example_plan().request


def test_ids_are_free(ledger: Ledger) -> None:
    """An id that is taken is not overwritten."""
    run = executing.queued(ledger)
    same = ledger.submit(run.run_id, example_plan(), number=next_number(ledger))
    assert same.model_dump(exclude={"elapsed_ms"}) == run.model_dump(exclude={"elapsed_ms"})
    other = ledger.submit(str(uuid4()), example_plan(user_id=OTHER_USER), number=1)
    assert (other.user_id, other.number) == (OTHER_USER, 1)
