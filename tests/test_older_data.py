"""A data folder that an older version wrote opens, is shown, and goes on."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest

from secondlook.domain.access import Access
from secondlook.domain.batches import BatchStatus
from secondlook.domain.run_filter import RunFilter
from secondlook.domain.runs import RunStatus
from secondlook.execution import batches
from secondlook.execution.runner import Runner
from secondlook.ledger.migrations import MIGRATIONS
from secondlook.ledger.usage import UsageQuery
from secondlook.pipeline.outcome import outcome
from secondlook.services import Services, connect

OLDER = Path(__file__).with_name("data") / "v0_1"
USER = "aaaaaaaa-1111-4222-8333-444444444444"
STATES = ("done", "queued", "calling", "answered", "in_doubt", "failed", "cancelled", "queued", "queued")
"""Of the runs, in the order of their sources; the last two are of the paused batch."""


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Services:
    """What a process of this version works with, on the older folder."""
    folder = tmp_path / "data"
    folder.mkdir(exist_ok=True)
    (folder / "store.db").unlink()
    for name in ("ledger", "store"):
        with closing(sqlite3.connect(folder / f"{name}.db")) as made:
            made.executescript((OLDER / f"{name}.sql").read_text(encoding="utf-8"))
    monkeypatch.setenv("SECONDLOOK_DATA_DIR", str(folder))
    monkeypatch.setenv("SECONDLOOK_AGENT", "offline")
    return connect()


def statuses(services: Services) -> list[str]:
    """The status of each source's newest run, in the order of the sources."""
    newest = {run.source_id: run.status for run in reversed(services.ledger.list(USER))}
    return [newest[source_id] for source_id in sorted(newest)]


def test_it_opens(services: Services) -> None:
    """The migrations that it recorded are not applied again; those that came later are."""
    recorded = [
        line for line in (OLDER / "ledger.sql").read_text().splitlines() if '"migrations" VALUES' in line
    ]
    named = [line.split("'")[1] for line in recorded]
    assert named == [name for name, _ in MIGRATIONS][: len(named)]
    services.ledger.ping()
    with closing(sqlite3.connect(services.settings.data_dir / "ledger.db")) as ledger:
        applied = ledger.execute("select name from migrations").fetchall()
    assert {name for (name,) in applied} == {name for name, _ in MIGRATIONS}


def test_it_is_shown(services: Services) -> None:
    """Runs, calls, reviews, usage and the batch are what they were."""
    assert statuses(services) == list(STATES)
    rows = services.history.page(RunFilter(), only=USER).rows
    assert len(rows) == len(STATES)
    (done,) = (row for row in rows if row.status is RunStatus.DONE)
    assert (done.passed, len(services.history.calls(done.run_id))) == (1, 1)
    made = outcome(services.ledger.get(done.run_id, USER))
    assert made.result.meta.estimate_count == 35
    total = services.usage.report(UsageQuery(date(2026, 1, 1), date(2026, 12, 31))).total
    assert (total.runs, total.calls, total.outcomes["unknown"]) == (9, 6, 2)
    (batch,) = services.batches.list(USER)
    assert (batch.status, batch.total, batch.held, batch.in_flight) == (BatchStatus.PAUSED, 2, 2, 0)


def test_it_goes_on(services: Services) -> None:
    """Open runs end, a lost call has an unknown outcome, the batch is resumed, and a new run can be made."""
    runner = Runner(services)
    runner.resume()
    after = {"queued": "done", "calling": "in_doubt", "answered": "done"}
    assert statuses(services)[:7] == [after.get(state, state) for state in STATES[:7]]

    (batch,) = services.batches.list(USER)
    ended = batches.execute(runner, services.batches.resume(batch.batch_id, USER))
    assert (ended.status, dict(ended.counts)) == (BatchStatus.ENDED, {"done": 2})

    in_doubt = services.ledger.list(USER, status=RunStatus.IN_DOUBT)[0]
    assert runner.execute(services.ledger.resend(in_doubt.run_id, USER).run_id).status is RunStatus.DONE
    failed = services.ledger.list(USER, status=RunStatus.FAILED)[0]
    again = runner.submit(failed.source_id, Access(USER))
    assert (again.number, runner.execute(again.run_id).status) == (2, RunStatus.DONE)
