"""A clock that was set back: what is still to come comes when it was meant to, on each kind of database."""

from __future__ import annotations

import threading
from contextlib import closing

import pytest

from secondlook.domain.runs import RunStatus
from secondlook.ledger.batches import Batches
from secondlook.ledger.runs import Ledger, open_ledger
from tests.examples import USER, example_plan
from tests.ledger import executing
from tests.ledger.executing import BUSY, Where, query

HOUR = 3600
SOON = 300
"""Longer than all that is waited for here, on a busy machine too, and much less than an hour."""


def set_back(where: Where, seconds: float = HOUR) -> None:
    """As if the clock had been set back: all that the ledger holds of it is later by as much."""
    for table, column in (
        ("runs", "lease_until"),
        ("runs", "due_at"),
        ("batches", "next_at"),
        ("pace", "hold_until"),
        ("clock", "noted_at"),
    ):
        query(where, f"update {table} set {column} = {column} + ? where {column} > 0", seconds)  # noqa: S608


@pytest.fixture
def batches(ledger: Ledger) -> Batches:
    """Batches on the ledger; of one the first run was released, and the next may be in a second."""
    made = Batches(ledger._database)  # pyright: ignore[reportPrivateUsage]
    batch_id = made.open(USER, concurrency=9, per_minute=60)
    made.fill(batch_id, [example_plan(f"source-{number}") for number in range(3)])
    assert len(made.release(9)) > 0
    return made


def ahead(where: Where, table: str, column: str, clock: float) -> list[float]:
    """How far ahead its moments are, of those that are not past."""
    found = query(where, f"select {column} from {table} where {column} > ?", clock)  # noqa: S608
    return [float(str(moment)) - clock for (moment,) in found]


def late(ledger: Ledger, where: Where) -> float:
    """A worker looks at the clock; returns how late it is."""
    ledger.handle_clock_rollback()
    return float(str(query(where, "select noted_at from clock")[0][0]))


def test_nothing_lasts_for_that_hour(ledger: Ledger, batches: Batches, where: Where) -> None:
    """Leases, waits, rates and holds end as if nothing had been; nobody's lease ends earlier for it."""
    executing.claimed(ledger)
    postponed = executing.calling(ledger, ledger.get(executing.claimable(ledger)[0]))
    ledger.postpone(postponed, 1, BUSY, 40)
    set_back(where)
    assert batches.release(9) == []
    clock = late(ledger, where)
    (lease,) = ahead(where, "runs", "lease_until", clock)
    due = max(ahead(where, "runs", "due_at", clock))
    (hold,) = ahead(where, "pace", "hold_until", clock)
    assert 14 < lease < SOON
    assert 39 < due < SOON
    assert 39 < hold < SOON
    assert all(next_at < SOON for next_at in ahead(where, "batches", "next_at", clock))


def test_who_died_is_followed(ledger: Ledger, where: Where) -> None:
    """A dead worker's run is claimed once its lease is over, by what the clock says now."""
    run = executing.claimed(ledger)
    set_back(where)
    query(where, "update runs set lease_until = lease_until - ?", SOON)  # so long ago
    assert executing.claimable(ledger) == []
    ledger.handle_clock_rollback()
    assert executing.claimable(ledger) == [run.run_id]


@pytest.mark.parametrize("seconds", [0, 1, -HOUR], ids=["stands", "corrected", "set forward"])
def test_other_changes_of_the_clock(ledger: Ledger, where: Where, seconds: float) -> None:
    """What daily corrections take back is waited for; forward nothing waits longer."""
    executing.claimed(ledger)
    query(where, "update clock set noted_at = noted_at + ?", seconds)
    before = query(where, "select lease_until from runs")
    ledger.handle_clock_rollback()
    assert query(where, "select lease_until from runs") == before


def test_many_see_it_at_once(ledger: Ledger, where: Where) -> None:
    """Of several processes one brings the moments forward, once."""
    run = executing.claimed(ledger)
    set_back(where)
    others = [open_ledger(where, lease_seconds=15) for _ in range(4)]
    gate = threading.Barrier(len(others))

    def look(other: Ledger) -> None:
        with closing(other):
            gate.wait()
            other.handle_clock_rollback()

    threads = [threading.Thread(target=look, args=[other]) for other in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    clock = late(ledger, where)
    (lease,) = ahead(where, "runs", "lease_until", clock)
    assert 14 < lease < SOON
    assert ledger.get(run.run_id).status is RunStatus.QUEUED
