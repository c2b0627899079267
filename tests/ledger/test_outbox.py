"""The outbox, on each kind of database: messages are written, claimed by one, sent again, abandoned."""

from __future__ import annotations

import json
import re
import time
from contextlib import suppress

import pytest
import sqlalchemy as sa

from secondlook.connections.database import Database
from secondlook.domain.runs import SNAPSHOT, Run, RunStatus
from secondlook.ledger.outbox import DELAYS_SECONDS, LEASE_SECONDS, Deliveries, Delivery, enqueue, wait_after
from tests.examples import SOURCE, USER
from tests.ledger.executing import Where, query
from tests.processes import at_once, race

RUN = "77777777-2222-4333-8444-555555555555"
BATCH = "99999999-2222-4333-8444-555555555555"
THREADS = 4
MANY = 60

DRIVER = """
import sys, time
from pathlib import Path
from secondlook.ledger.outbox import Deliveries
from secondlook.ledger.database import ledger_database

where = sys.argv[1] if "://" in sys.argv[1] else Path(sys.argv[1])
database = ledger_database(where)
outbox = Deliveries(database)
print("ready", flush=True)
sys.stdin.readline()
empty = 0
while empty < 20:  # an empty answer may mean that the other one was just looking at the same ones
    claimed = outbox.claim(2)
    empty = 0 if claimed else empty + 1
    for delivery in claimed:
        print(delivery.id, flush=True)
        outbox.delivered(delivery, 200)
    time.sleep(0.02)  # lets the other one go first
database.close()
"""


def run_named(run_id: str = RUN, batch_id: str | None = None) -> Run:
    """A run, as far as the outbox looks at it."""
    return Run.model_construct(
        run_id=run_id, task=SNAPSHOT, source_id=SOURCE, user_id=USER, batch_id=batch_id
    )


@pytest.fixture
def outbox(database: Database) -> Deliveries:
    """An empty outbox."""
    return Deliveries(database)


def put(database: Database, run: Run | None = None, *, status: RunStatus = RunStatus.DONE) -> str:
    """A message in a transaction of its own."""
    code = None if status is RunStatus.DONE else status.value
    return database.write(lambda connection: enqueue(connection, run or run_named(), status, code))


def claim_one(outbox: Deliveries) -> Delivery:
    """The one message that is due."""
    (claimed,) = outbox.claim(10)
    return claimed


def seconds_until(where: Where, column: str, message: str) -> float:
    """How far in the future a time of a message lies, by the database's clock."""
    clock = "extract(epoch from clock_timestamp())"
    if not isinstance(where, str):
        clock = "(julianday('now') - 2440587.5) * 86400.0"
    ((seconds,),) = query(where, f"select {column} - {clock} from deliveries where id = ?", message)  # noqa: S608
    return float(str(seconds))


def hurry(where: Where) -> None:
    """As if the time had come for all that waits."""
    query(where, "update deliveries set due_at = 0")


# -- writing --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "code", "batch_id"),
    [
        (RunStatus.DONE, None, None),
        (RunStatus.DONE, None, BATCH),
        (RunStatus.FAILED, "provider_error", None),
        (RunStatus.IN_DOUBT, "in_doubt", None),
    ],
)
def test_a_message_holds_ids_status_code_and_time(
    database: Database, outbox: Deliveries, status: RunStatus, code: str | None, batch_id: str | None
) -> None:
    """And nothing else."""
    run = run_named(batch_id=batch_id)
    made = database.write(lambda connection: enqueue(connection, run, status, code))
    (kept,) = outbox.list()
    assert re.fullmatch("msg_[0-9a-f]{32}", made)
    assert (kept.id, kept.run_id, kept.event) == (made, RUN, f"run.{status}")
    assert json.loads(kept.payload) == {
        "type": f"run.{status}",
        "timestamp": kept.created_at,
        "data": {
            "run_id": RUN,
            "task": SNAPSHOT,
            "source_id": SOURCE,
            "user_id": USER,
            "batch_id": batch_id,
            "status": status.value,
            "code": code,
        },
    }
    assert (kept.attempts, kept.due_at) == (0, kept.created_at)
    assert (kept.delivered_at, kept.given_up_at, kept.last_status, kept.last_error) == (None,) * 4


@pytest.mark.parametrize(
    "status",
    [each for each in RunStatus if each not in {RunStatus.DONE, RunStatus.FAILED, RunStatus.IN_DOUBT}],
)
def test_nobody_is_told_of_other_states(database: Database, outbox: Deliveries, status: RunStatus) -> None:
    """What continues without intervention, or was canceled by a person, is no event."""
    with pytest.raises(ValueError, match=status.value):
        put(database, status=status)
    assert outbox.list() == []


def test_a_message_goes_with_its_transaction(database: Database, outbox: Deliveries) -> None:
    """What was rolled back has not happened, and nobody is told of it."""

    def end(connection: sa.Connection) -> None:
        enqueue(connection, run_named(), RunStatus.DONE, None)
        raise KeyError

    with suppress(KeyError):
        database.write(end)
    assert outbox.list() == []


def test_a_runs_messages(database: Database, outbox: Deliveries) -> None:
    """Newest first, and those of one run where one is named."""
    first = put(database, status=RunStatus.IN_DOUBT)
    time.sleep(0.005)  # SQLite's clock counts milliseconds
    other = put(database, run_named("88888888-2222-4333-8444-555555555555"))
    time.sleep(0.005)
    last = put(database)
    assert [each.id for each in outbox.list()] == [last, other, first]
    assert [each.id for each in outbox.list(run_id=RUN)] == [last, first]
    assert [each.id for each in outbox.list(limit=1)] == [last]


# -- claiming -------------------------------------------------------------------------------------------


def test_a_claim_is_one_claimers(where: Where, database: Database, outbox: Deliveries) -> None:
    """For a while; after it the message is anybody's again, with the same id."""
    made = put(database)
    claimed = claim_one(outbox)
    assert (claimed.id, claimed.attempts) == (made, 1)
    assert outbox.claim(10) == []
    assert LEASE_SECONDS - 5 < seconds_until(where, "lease_until", made) <= LEASE_SECONDS
    query(where, "update deliveries set lease_until = 0")
    again = claim_one(outbox)
    assert (again.id, again.payload, again.attempts) == (made, claimed.payload, 2)


def test_a_claim_takes_what_has_waited_longest(where: Where, database: Database, outbox: Deliveries) -> None:
    """So many at the most, none that is not due yet."""
    made = [put(database) for _ in range(5)]
    for number, message in enumerate(made):
        query(where, "update deliveries set due_at = ? where id = ?", 50 - number, message)
    query(where, "update deliveries set due_at = due_at + 1e10 where id = ?", made[4])
    assert [each.id for each in outbox.claim(3)] == [made[3], made[2], made[1]]
    assert [each.id for each in outbox.claim(3)] == [made[0]]
    assert outbox.claim(3) == []


def test_of_several_threads_each_gets_others(database: Database, outbox: Deliveries) -> None:
    """Whoever claims at the same moment: no message twice, none left out."""
    made = {put(database) for _ in range(MANY)}

    def claim_all(_number: int) -> list[str]:
        ids: list[str] = []
        # An empty answer may mean that others were just looking at the same ones.
        while claimed := outbox.claim(3):
            ids += [each.id for each in claimed]
        return ids

    claimed = [message for ids in race(claim_all, THREADS) for message in ids]
    claimed += [each.id for each in outbox.claim(MANY)]
    assert len(claimed) == MANY
    assert set(claimed) == made


def test_of_two_processes_each_gets_others(where: Where, database: Database, outbox: Deliveries) -> None:
    """Real processes: each message is claimed by one process only."""
    made = {put(database) for _ in range(MANY)}
    told = [said.split() for said in at_once(DRIVER, [str(where)], [str(where)])]
    left = [each.id for each in outbox.claim(MANY)]
    assert sorted([*told[0], *told[1], *left]) == sorted(made)
    assert min(map(len, told)) > 0  # both were in the race
    assert sum(each.delivered_at is not None for each in outbox.list(limit=MANY)) == MANY - len(left)


# -- what became of it ----------------------------------------------------------------------------------


def test_delivered_is_the_end(where: Where, database: Database, outbox: Deliveries) -> None:
    """It is recorded, and nobody claims it again."""
    put(database)
    outbox.delivered(claim_one(outbox), 204)
    hurry(where)
    assert outbox.claim(10) == []
    (kept,) = outbox.list()
    assert kept.delivered_at is not None
    assert (kept.given_up_at, kept.attempts, kept.last_status, kept.last_error) == (None, 1, 204, None)


@pytest.mark.parametrize(("attempt", "seconds"), list(enumerate(DELAYS_SECONDS, start=1)))
def test_each_wait_is_longer(attempt: int, seconds: int) -> None:
    """From seconds to half a day, never before its time, and not all at the same moment."""
    waits = {wait_after(attempt) for _ in range(50)}
    assert len(waits) > 1
    assert all(wait is not None and seconds <= wait <= 1.25 * seconds for wait in waits)


def test_the_waits_take_about_a_day() -> None:
    """As long as somebody needs to notice that the receiver is away; then there is none."""
    assert list(DELAYS_SECONDS) == sorted(set(DELAYS_SECONDS))
    assert DELAYS_SECONDS[0] == 5
    assert sum(DELAYS_SECONDS) > 18 * 3600
    assert sum(DELAYS_SECONDS) * 1.25 < 30 * 3600
    assert wait_after(len(DELAYS_SECONDS) + 1) is None


def test_a_failed_message_waits_and_is_abandoned(
    where: Where, database: Database, outbox: Deliveries
) -> None:
    """Through all of its attempts, each recorded."""
    made = put(database)
    for attempt, seconds in enumerate(DELAYS_SECONDS, start=1):
        claimed = claim_one(outbox)
        assert claimed.attempts == attempt
        outbox.failed(claimed, 500 if attempt % 2 else None, "http_500" if attempt % 2 else "timed_out")
        assert seconds - 5 < seconds_until(where, "due_at", made) <= 1.25 * seconds
        assert outbox.claim(10) == []
        (kept,) = outbox.list()
        expected = (500, "http_500") if attempt % 2 else (None, "timed_out")
        assert (kept.last_status, kept.last_error, kept.given_up_at) == (*expected, None)
        hurry(where)
    outbox.failed(claim_one(outbox), 503, "http_503")
    hurry(where)
    assert outbox.claim(10) == []
    (kept,) = outbox.list()
    assert kept.given_up_at is not None
    assert (kept.delivered_at, kept.attempts) == (None, len(DELAYS_SECONDS) + 1)


def test_a_receiver_that_is_gone_is_left_alone(where: Where, database: Database, outbox: Deliveries) -> None:
    """Abandoned at once."""
    put(database)
    outbox.failed(claim_one(outbox), 410, "http_410", final=True)
    hurry(where)
    assert outbox.claim(10) == []
    (kept,) = outbox.list()
    assert (kept.given_up_at is not None, kept.last_status, kept.attempts) == (True, 410, 1)


def test_a_late_failure_is_not_the_next_claimers(
    where: Where, database: Database, outbox: Deliveries
) -> None:
    """Who was too slow changes nothing of a claim that is another's by now."""
    put(database)
    slow = claim_one(outbox)
    query(where, "update deliveries set lease_until = 0")
    quick = claim_one(outbox)
    outbox.failed(slow, None, "timed_out", final=True)
    assert outbox.claim(10) == []  # still the other's
    (kept,) = outbox.list()
    assert (kept.given_up_at, kept.last_error, kept.attempts) == (None, None, 2)
    outbox.delivered(quick, 200)
    outbox.failed(quick, None, "timed_out")
    (kept,) = outbox.list()
    assert (kept.delivered_at is not None, kept.last_status, kept.last_error) == (True, 200, None)


def test_a_late_success_counts(where: Where, database: Database, outbox: Deliveries) -> None:
    """The receiver has it: nobody sends it again, though another has claimed it, or has given it up."""
    put(database)
    slow = claim_one(outbox)
    query(where, "update deliveries set lease_until = 0")
    outbox.failed(claim_one(outbox), None, "timed_out", final=True)
    outbox.delivered(slow, 200)
    (kept,) = outbox.list()
    assert (kept.delivered_at is not None, kept.given_up_at, kept.last_status) == (True, None, 200)


def test_an_outbox_is_made_once(database: Database, outbox: Deliveries) -> None:
    """Opening it again finds what is there."""
    made = put(database)
    assert [each.id for each in Deliveries(database).list()] == [made] == [each.id for each in outbox.list()]
