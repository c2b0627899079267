"""One thread keeps the leases of all runs that a process executes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from secondlook.connections.database import Database
from secondlook.domain.runs import Run
from secondlook.ledger.leases import Leases
from secondlook.ledger.runs import Ledger, open_ledger
from tests.ledger import executing
from tests.ledger.executing import Where, query

SECONDS = 0.6


def until(holds: Callable[[], bool]) -> None:
    """Wait for what must come."""
    give_up = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < give_up
        time.sleep(0.02)


def lease_until(where: Where, run: Run) -> float:
    """When a run's lease ends."""
    ((moment,),) = query(where, "select lease_until from runs where run_id = ?", run.run_id)
    assert isinstance(moment, float)
    return moment


def threads() -> list[threading.Thread]:
    """Those that keep leases."""
    return [thread for thread in threading.enumerate() if thread.name == "secondlook-lease"]


def claimed(ledger: Ledger, number: int) -> Run:
    """A claimed run of one of many sources."""
    source = f"{number:08x}-1111-4111-8111-111111111111"
    run = ledger.claim(executing.queued(ledger, source).run_id, f"worker {number}")
    assert run is not None
    return run


def test_all_runs_keep_their_leases_by_one_thread(where: Where) -> None:
    """However many are executed; it ends on its own when none is."""
    ledger = open_ledger(where, lease_seconds=SECONDS)
    runs = [claimed(ledger, number) for number in range(5)]
    before = [lease_until(where, run) for run in runs]
    with ExitStack() as stack:
        for run in runs:
            stack.enter_context(ledger.held(run))
        assert len(threads()) == 1
        until(lambda: all(lease_until(where, run) > began for run, began in zip(runs, before, strict=True)))
        assert len(threads()) == 1
    until(lambda: not threads())
    ledger.close()


def test_whatever_happens_to_a_beat_the_next_one_comes(
    where: Where, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """No run loses its lease by an error that nobody thought of; its kind is logged, nothing else."""
    ledger = open_ledger(where, lease_seconds=SECONDS)
    run = claimed(ledger, 1)
    began = lease_until(where, run)
    failed = threading.Event()
    write_soft = Database.write_soft

    def fails_once(*given: object) -> object:
        if not failed.is_set() and threading.current_thread().name == "secondlook-lease":
            failed.set()
            raise ZeroDivisionError("sk-secret")
        return write_soft(*given)  # pyright: ignore[reportArgumentType, reportUnknownVariableType, reportCallIssue]

    monkeypatch.setattr(Database, "write_soft", fails_once)
    with ledger.held(run):
        until(lambda: lease_until(where, run) > began)
    assert failed.is_set()
    assert "ZeroDivisionError" in caplog.text
    assert "sk-secret" not in caplog.text
    ledger.close()


def test_a_closed_ledger_leaves_no_thread(where: Where) -> None:
    """It would write to connections that nobody closes any more."""
    ledger = open_ledger(where, lease_seconds=60)
    run = claimed(ledger, 1)
    with ledger.held(run):
        assert len(threads()) == 1
        ledger.close()
        assert threads() == []
        with ledger.held(run):  # whoever comes back is kept as well
            assert len(threads()) == 1
    ledger.close()


def test_nothing_is_started_to_be_closed(where: Where) -> None:
    """Closing what was never used is nothing."""
    ledger = open_ledger(where, lease_seconds=60)
    Leases(ledger._database, 1).close()  # pyright: ignore[reportPrivateUsage] -- without a ledger around it
    ledger.close()
