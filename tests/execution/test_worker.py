"""Many machines: real workers, a real Postgres, and dashboards that only submit."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from uuid import NAMESPACE_OID, uuid5

import pytest
from procrastinate.schema import SchemaManager

from secondlook.domain.batches import Batch
from secondlook.domain.runs import RunStatus
from secondlook.errors import SettingInvalid
from secondlook.execution.batches import Selection, begin
from secondlook.execution.runner import Runner
from secondlook.ledger.database import ledger_database
from secondlook.ledger.runs import open_ledger
from secondlook.ledger.worker_queue import Jobs
from secondlook.settings import load_settings
from tests.postgres_server import PostgresServer, execute
from tests.processes import USER, Home, Process, eventually, finish, killed, race
from tests.provider import Exchange, answering
from tests.tables import EmbeddedTables

CALL_SECONDS = 0.2


@dataclass
class Machines:
    """Workers on one ledger, their store, and what the provider saw of them."""

    home: Home
    url: str
    started: list[float] = field(default_factory=list[float])
    most_at_once: int = 0
    _at_once: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer_after(self, seconds: float) -> None:
        """Let the provider answer properly, but not at once."""

        def behave(exchange: Exchange) -> None:
            with self._lock:
                self.started.append(time.monotonic())
                self._at_once += 1
                self.most_at_once = max(self.most_at_once, self._at_once)
            try:
                exchange.pause(seconds)
            finally:
                with self._lock:
                    self._at_once -= 1
            answering(self.home.sample.answer)(exchange)

        self.home.provider.behaviour = behave

    def start(self, number: int = 2, *, places: int = 4) -> list[Process]:
        """Start workers, and wait until they look for jobs."""
        before = self.count("select count(*) from procrastinate_workers") if self._has_queue() else 0
        started = [self.home.start("worker", "--concurrency", str(places)) for _ in range(number)]
        wanted = before + 2 * number  # each has two queues

        def ready() -> bool:
            for process in started:
                assert process.poll() is None, process.communicate()
            return self._has_queue() and self.count("select count(*) from procrastinate_workers") >= wanted

        eventually(ready, seconds=30)
        return started

    def _has_queue(self) -> bool:
        return execute(self.url, "select to_regclass('procrastinate_workers')") != [(None,)]

    def count(self, query: str) -> int:
        """One number of the ledger's database."""
        return execute(self.url, query)[0][0]  # pyright: ignore[reportArgumentType] -- the tests' own text

    def sources(self, number: int) -> list[str]:
        """Copies of the sample, each of which the same answer is right for."""
        ids = [str(uuid5(NAMESPACE_OID, f"copy {copy}")) for copy in range(number)]
        tables = EmbeddedTables(self.home.data / "store.db")
        source = {"user_id": USER, "source_type": "csv", "status": "bucketed", "created_at": "2026-01-05"}
        tables.insert("sources", [{"id": each, "source_name": "A copy", **source} for each in ids])
        buckets = self.home.sample.buckets
        tables.insert(
            "estimate_buckets", [{**buckets, "id": f"of {each}", "source_id": each} for each in ids]
        )
        return ids

    def begin(self, number: int, *, concurrency: int = 8, per_minute: float | None = None) -> Batch:
        """Queue a batch, and go away."""
        services = self.home.services()
        chosen = Selection(source_ids=self.sources(number))
        return begin(
            services, services.own_access(USER), chosen, concurrency=concurrency, per_minute=per_minute
        )

    def wait_for(self, batch: Batch, seconds: float = 40) -> Batch:
        """Wait until nothing of a batch goes on."""
        batches = self.home.services().batches
        give_up = time.monotonic() + seconds
        while batch.finished < batch.total:
            assert time.monotonic() < give_up, batch
            time.sleep(0.1)  # the provider lives in this process, too
            batch = batches.get(batch.batch_id, USER)
        return batch

    def calls_by_run(self) -> Counter[int]:
        """How many runs have how many calls."""
        found = execute(
            self.url, "select count(c.run_id) from runs r left join calls c using (run_id) group by r.run_id"
        )
        return Counter(number for (number,) in found)


@pytest.fixture
def machines(home: Home, postgres_server: PostgresServer) -> Machines:
    """A ledger on Postgres, and dashboards that dispatch their runs to workers."""
    url = postgres_server.empty_schema()
    home.set(
        SECONDLOOK_LEDGER_URL=url,
        SECONDLOOK_CARRY="workers",
        SECONDLOOK_LEASE_SECONDS="2",
        SECONDLOOK_AGENT_RETRIES="0",
    )
    made = Machines(home, url)
    made.answer_after(CALL_SECONDS)
    return made


def stopped(process: Process) -> str:
    """End a worker in order; what it wrote."""
    process.send_signal(signal.SIGTERM)
    outcome = finish(process)
    assert outcome.code == 0, outcome
    return outcome.err


# -- settings -------------------------------------------------------------------------------------------


def test_workers_need_a_common_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    """Said at the start, not by the first run."""
    monkeypatch.setenv("SECONDLOOK_CARRY", "workers")
    with pytest.raises(SettingInvalid, match="SECONDLOOK_LEDGER_URL is not set"):
        load_settings()
    monkeypatch.setenv("SECONDLOOK_CARRY", "elsewhere")
    with pytest.raises(SettingInvalid, match="SECONDLOOK_CARRY is 'elsewhere'; allowed: here, workers"):
        load_settings()


def test_a_worker_needs_the_ledger_on_postgres(home: Home) -> None:
    """Also where SECONDLOOK_CARRY is not set: the command says it."""
    error = home.call("worker").error
    assert error["code"] == "setting_invalid"
    assert error["message"].startswith("A worker was started, and SECONDLOOK_LEDGER_URL is not set")


def test_a_worker_on_supabase_needs_the_secret_key(home: Home, postgres_server: PostgresServer) -> None:
    """It acts for people who are not there."""
    home.set(
        SECONDLOOK_LEDGER_URL=postgres_server.empty_schema(),
        SUPABASE_URL="http://127.0.0.1:9",
        SUPABASE_KEY="sb_publishable_test",
    )
    assert "SUPABASE_SECRET_KEY is not set" in home.call("worker").error["message"]


def test_here_hands_nothing_over(home: Home) -> None:
    """The default: the process that submits executes."""
    assert home.services().dispatcher is None


# -- the queue ------------------------------------------------------------------------------------------


def test_the_queue_is_made_once_by_many(postgres_server: PostgresServer) -> None:
    """Several that start at once find one queue."""
    url = postgres_server.empty_schema()
    open_ledger(url, lease_seconds=15).close()
    databases = [ledger_database(url) for _ in range(4)]
    race(lambda number: Jobs(databases[number]).defer("one", in_batch=False), len(databases))
    for database in databases:
        database.close()
    waiting = execute(url, "select queue_name, args, status from procrastinate_jobs")
    assert waiting == [("asked", {"run_id": "one", "in_batch": False}, "todo")]


def test_a_newer_queue_changes_an_older_one(
    postgres_server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a new version of procrastinate brings is applied once; a new queue has it from the start."""
    url = postgres_server.empty_schema()

    def opened() -> None:
        with closing(ledger_database(url)) as database:
            Jobs(database)

    opened()
    (tmp_path / "99.00.00_01_pre_more.sql").write_text("create table more (percent text default '%');")
    monkeypatch.setattr(SchemaManager, "get_migrations_path", lambda: str(tmp_path))
    opened()
    opened()
    assert execute(url, "insert into more default values returning percent") == [("%",)]
    url = postgres_server.empty_schema()
    opened()
    assert execute(url, "select to_regclass('more')") == [(None,)]


def test_a_dashboard_only_submits(machines: Machines) -> None:
    """Nothing is executed here: neither what is started, nor what a sweep would find."""
    services = machines.home.services()
    runner = Runner(services)
    run = runner.submit(machines.home.sample.source_id, services.own_access(USER))
    with runner.sweeping():
        runner.start(run.run_id)
        runner.start(run.run_id)
        time.sleep(0.5)
    assert services.ledger.get(run.run_id).status is RunStatus.QUEUED
    assert machines.home.provider.requests == []
    assert machines.count("select count(*) from procrastinate_jobs") == 1


def test_a_queue_that_is_away_loses_no_run(machines: Machines) -> None:
    """The page goes on: the run is in the ledger, and the workers' sweep finds it there."""
    services = machines.home.services()
    runner = Runner(services)
    run = runner.submit(machines.home.sample.source_id, services.own_access(USER))
    _ = services.jobs
    execute(machines.url, "alter table procrastinate_jobs rename to procrastinate_away")
    runner.start(run.run_id)
    execute(machines.url, "alter table procrastinate_away rename to procrastinate_jobs")
    machines.start(1)
    eventually(lambda: services.ledger.get(run.run_id).status is RunStatus.DONE)


# -- executing -------------------------------------------------------------------------------------------


def test_two_workers_execute_a_batch(machines: Machines) -> None:
    """Every run done by one call, by both of them, never more at a time than was asked for."""
    workers = machines.start()
    services = machines.home.services()
    batch = machines.begin(30, concurrency=6)
    Runner(services).look_again()
    ended = machines.wait_for(batch)
    assert ended.counts == {RunStatus.DONE: 30}
    assert machines.calls_by_run() == {1: 30}
    assert len(machines.home.provider.requests) == 30
    assert machines.most_at_once <= 6
    shares = [stopped(worker).count("Snapshot generated") for worker in workers]
    assert sum(shares) == 30
    assert min(shares) > 3, shares
    assert machines.count("select count(*) from procrastinate_jobs") == 0
    assert machines.count("select count(*) from procrastinate_workers") == 0


def test_a_rate_holds_for_all_workers(machines: Machines) -> None:
    """By any moment no more are started than the rate allows; a second of slack may come at once."""
    machines.start()
    ended = machines.wait_for(machines.begin(25, concurrency=8, per_minute=600))
    assert ended.counts == {RunStatus.DONE: 25}
    # When each was released: the first call of a worker takes longer to be on its way than those that follow.
    let_go = [at for (at,) in execute(machines.url, "select due_at from runs order by due_at")]
    for number, at in enumerate(let_go, start=1):
        assert number <= 11 + (at - let_go[0] + 0.01) * 10, (number, at - let_go[0])
    assert len(machines.started) == 25
    assert max(machines.started) - min(machines.started) < 10


def test_a_killed_workers_runs_are_taken_over(machines: Machines) -> None:
    """What it had sent has an unknown outcome, the rest is executed by the other; nothing is sent twice."""
    machines.answer_after(0.5)
    mortal, other = machines.start()
    batch = machines.begin(20, concurrency=8)
    ours = "select count(*) from procrastinate_jobs where status = 'doing'"
    eventually(lambda: len(machines.started) >= 8 and machines.count(ours) >= 8)
    mortal.kill()
    died = time.monotonic()
    assert killed(mortal)
    ended = machines.wait_for(batch)
    assert time.monotonic() - died < 30
    assert set(ended.counts) <= {RunStatus.DONE, RunStatus.IN_DOUBT}
    assert ended.counts[RunStatus.DONE] >= 16
    assert 1 <= ended.counts[RunStatus.IN_DOUBT] <= 4
    assert machines.calls_by_run() == {1: 20}
    assert len(machines.home.provider.requests) == 20
    assert "Snapshot generated" in stopped(other)


def test_a_dead_workers_jobs_are_cleared_away(machines: Machines) -> None:
    """The next worker finds nothing of them; the run is executed all the same."""
    services = machines.home.services()
    runner = Runner(services)
    run = runner.submit(machines.home.sample.source_id, services.own_access(USER))
    runner.start(run.run_id)
    execute(machines.url, "update procrastinate_jobs set status = 'doing', worker_id = null")
    machines.start(1)
    eventually(lambda: services.ledger.get(run.run_id).status is RunStatus.DONE)
    eventually(lambda: machines.count("select count(*) from procrastinate_jobs") == 0)


def test_a_batch_is_not_before_a_person(machines: Machines) -> None:
    """While all places of a batch are taken, a run that somebody waits for is answered at once."""
    machines.answer_after(0.5)
    machines.start(places=2)
    batch = machines.begin(40, concurrency=4)
    eventually(lambda: len(machines.started) >= 4)
    services = machines.home.services()
    runner = Runner(services)
    asked = time.monotonic()
    run = runner.submit(machines.home.sample.source_id, services.own_access(USER))
    runner.start(run.run_id)
    eventually(lambda: services.ledger.get(run.run_id).status is RunStatus.DONE)
    took = time.monotonic() - asked
    assert took < 0.5 + 2
    assert services.batches.get(batch.batch_id, USER).finished < 40  # it went past what was queued before it


def test_a_signal_lets_what_is_in_flight_end(machines: Machines) -> None:
    """A worker that is told to stop keeps the answer that it waits for."""
    machines.answer_after(1)
    (worker,) = machines.start(1)
    services = machines.home.services()
    runner = Runner(services)
    run = runner.submit(machines.home.sample.source_id, services.own_access(USER))
    runner.start(run.run_id)
    eventually(lambda: len(machines.started) == 1)
    stopped(worker)
    assert services.ledger.get(run.run_id).status is RunStatus.DONE


def test_a_worker_survives_its_database(machines: Machines) -> None:
    """Connections that break are made again."""
    (worker,) = machines.start(1)
    execute(
        machines.url,
        "select pg_terminate_backend(pid) from pg_stat_activity "
        "where pid <> pg_backend_pid() and application_name = 'secondlook worker'",
    )
    services = machines.home.services()
    runner = Runner(services)
    run = runner.submit(machines.home.sample.source_id, services.own_access(USER))
    runner.start(run.run_id)
    eventually(lambda: services.ledger.get(run.run_id).status is RunStatus.DONE)
    assert worker.poll() is None
    assert "Traceback" not in stopped(worker)


def test_an_outage_of_the_database_costs_nothing(machines: Machines, postgres_server: PostgresServer) -> None:
    """What was sent is kept when the server is back, what was not is executed then."""
    machines.answer_after(1)
    (worker,) = machines.start(1)
    batch = machines.begin(6, concurrency=2)
    eventually(lambda: len(machines.started) == 2)
    try:
        postgres_server.stop()
        time.sleep(2)
    finally:
        postgres_server.start()
    ended = machines.wait_for(batch)
    assert ended.counts == {RunStatus.DONE: 6}
    assert machines.calls_by_run() == {1: 6}
    assert len(machines.home.provider.requests) == 6
    assert worker.poll() is None
    said = stopped(worker)
    assert "Traceback" not in said, said


def test_a_command_executes_its_own_run(machines: Machines) -> None:
    """`secondlook snapshot` asks nobody."""
    assert machines.home.snapshot().code == 0
    assert machines.home.services().dispatcher is not None
