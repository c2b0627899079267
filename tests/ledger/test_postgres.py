"""What concerns Postgres alone: its URL, its server that comes and goes, and its settings."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg
import pytest
import sqlalchemy as sa

from secondlook.domain.runs import RunStatus
from secondlook.errors import LedgerUnavailable
from secondlook.ledger.database import ledger_database
from secondlook.ledger.runs import Ledger, open_ledger
from tests.examples import USER, example_answer, example_plan
from tests.ledger import executing
from tests.ledger.executing import expire, query
from tests.postgres_server import PostgresServer, execute
from tests.processes import eventually

SECRET = "Zq81mWv5LpX0tYb7"  # noqa: S105 -- nobody's
RUN = "77777777-2222-4333-8444-555555555555"


@pytest.fixture
def where(postgres_server: PostgresServer) -> str:
    """The URL of an empty database; no other kind is meant here."""
    return postgres_server.empty_database()


@pytest.fixture
def own_server(postgres_server: PostgresServer) -> Generator[PostgresServer]:
    """The server, running again after the test whatever the test did to it."""
    yield postgres_server
    postgres_server.stop()
    postgres_server.start()


# -- its URL --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
def test_both_names_are_postgres(where: str, scheme: str) -> None:
    """Providers write either."""
    with closing(open_ledger(f"{scheme}{where[len('postgresql') :]}", lease_seconds=15)) as ledger:
        assert executing.queued(ledger).status is RunStatus.QUEUED


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://user:{SECRET}@127.0.0.1:1/none",
        f"postgresql://user:{SECRET}@127.0.0.1:{SECRET}/none",
        f"postgresql://user:a@{SECRET}@127.0.0.1:1/none",
        f"postgresql://us/er:{SECRET}@127.0.0.1:1/none",
        f"postgresql://user@127.0.0.1:1/none?password={SECRET}",
        f"postgresql://user:{SECRET}@127.0.0.1:1/none?unknown={SECRET}",
        f"mysql://user:{SECRET}@127.0.0.1/none",
        f"user:{SECRET}@127.0.0.1/none",
        SECRET,
        "",
    ],
)
def test_no_message_has_the_password(url: str) -> None:
    """Whatever is wrong with the URL: one line, which names what is wrong."""
    with pytest.raises(LedgerUnavailable, match=r"^The ledger cannot be used: \S.{10,}$") as caught:
        open_ledger(url, lease_seconds=15)
    assert SECRET not in f"{caught.value.message}{caught.value.hint}{caught.value!r}"
    assert caught.value.__cause__ is None
    assert "SECONDLOOK_LEDGER_URL" in caught.value.hint or "Postgres" in caught.value.hint


def test_no_message_has_a_value(where: str) -> None:
    """Of a value that it cannot take, Postgres quotes the value; the ledger does not."""
    with (
        closing(ledger_database(where)) as shared,
        pytest.raises(LedgerUnavailable, match=r"^The ledger cannot be used: InvalidTextRepresentation$"),
    ):
        shared.read(lambda connection: connection.scalar(sa.select(sa.cast(sa.literal(SECRET), sa.Integer))))


# -- its transactions -----------------------------------------------------------------------------------


def test_what_reads_writes_nothing(where: str) -> None:
    """A reading transaction is read-only, and sees one moment however long it takes."""
    with closing(ledger_database(where)) as shared, closing(Ledger(shared, lease_seconds=15)) as ledger:
        with pytest.raises(LedgerUnavailable, match="read-only transaction"):
            shared.read(lambda connection: connection.exec_driver_sql("delete from runs"))

        def look_twice(connection: sa.Connection) -> list[int]:
            before = connection.exec_driver_sql("select count(*) from runs").scalar_one()
            executing.queued(ledger)
            return [before, connection.exec_driver_sql("select count(*) from runs").scalar_one()]

        assert shared.read(look_twice) == [0, 0]
        assert len(ledger.list(USER)) == 1


def test_a_claim_that_waited_looks_again(where: str) -> None:
    """An update that waited for another's does not go by what it saw before."""
    with closing(open_ledger(where, lease_seconds=15)) as ledger:
        run = executing.queued(ledger)
        with closing(psycopg.connect(where)) as other, ThreadPoolExecutor(1) as pool:
            other.execute(
                "update runs set owner = 'other', lease_until = extract(epoch from clock_timestamp()) + 60"
            )
            waiting = pool.submit(ledger.claim, run.run_id, "mine")
            while not execute(where, "select 1 from pg_stat_activity where wait_event_type = 'Lock'"):
                time.sleep(0.01)
            other.commit()
            assert waiting.result() is None
        assert ledger.get(run.run_id).owner == "other"


def test_twenty_at_once_have_a_connection_each_in_turn(where: str) -> None:
    """Workers, calls, heartbeats and pages: more than there are connections, and none is refused."""
    with closing(open_ledger(where, lease_seconds=15)) as ledger, ThreadPoolExecutor(20) as pool:
        run_id = executing.queued(ledger).run_id
        assert {found.run_id for found in pool.map(ledger.get, [run_id] * 200)} == {run_id}


def test_an_abandoned_transaction_is_ended_by_the_server(where: str) -> None:
    """Waits are bounded in each transaction, whatever the server's settings are."""
    with closing(ledger_database(where)) as shared:

        def show(connection: sa.Connection) -> list[str]:
            names = ("lock_timeout", "idle_in_transaction_session_timeout", "transaction_isolation")
            return [connection.exec_driver_sql(f"show {name}").scalar_one() for name in names]

        assert shared.write(show) == ["5s", "30s", "read committed"]
        assert shared.read(show) == ["5s", "30s", "repeatable read"]


# -- a server that comes and goes -----------------------------------------------------------------------


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["in order", "at once"])
def test_a_server_that_restarts_is_found_again(
    own_server: PostgresServer, where: str, how: signal.Signals
) -> None:
    """While it is away every use is a clear error; afterwards everything goes on, with nothing lost."""
    with closing(open_ledger(where, lease_seconds=15)) as ledger:
        waiting, held = executing.queued(ledger, "another"), executing.calling(ledger)
        own_server.stop(how)
        for use in (
            lambda: ledger.claim(waiting.run_id, "mine"),
            lambda: ledger.submit(RUN, example_plan("a third"), number=1),
            lambda: ledger.list(USER),
            ledger.claimable,
            ledger.ping,
        ):
            with pytest.raises(LedgerUnavailable, match=r"^The ledger cannot be used: ") as caught:
                use()
            assert "Postgres" in caught.value.hint
        own_server.start()
        assert ledger.claim(waiting.run_id, "mine") is not None
        assert ledger.claim(held.run_id, "a thief") is None
        ledger.ping()
        assert ledger.journal(held.run_id, 1, example_answer())
        own_server.stop(how)
        own_server.start()
        assert ledger.claim(waiting.run_id, "another") is None
        expire(where, waiting.run_id)
        assert ledger.claim(waiting.run_id, "another") is not None
        assert ledger.get(held.run_id).answer == example_answer().body


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["in order", "at once"])
def test_an_answer_waits_for_its_server(own_server: PostgresServer, where: str, how: signal.Signals) -> None:
    """What was paid for stays in memory until the server is back."""
    with closing(open_ledger(where, lease_seconds=15)) as ledger:
        held = executing.calling(ledger)
        own_server.stop(how)
        with ThreadPoolExecutor(1) as pool:
            journaled = pool.submit(ledger.journal, held.run_id, 1, example_answer("patient"))
            time.sleep(0.7)
            assert not journaled.done()
            own_server.start()
            assert journaled.result(timeout=20) is True
        run = ledger.get(held.run_id)
        assert (run.status, run.answer) == (RunStatus.ANSWERED, "patient")
        executing.finish(ledger, held)
        assert ledger.get(held.run_id).status is RunStatus.DONE


def test_an_answer_waits_where_the_server_goes_in_its_midst(own_server: PostgresServer, where: str) -> None:
    """The statement was with the server when it went."""
    with closing(open_ledger(where, lease_seconds=15)) as ledger, ThreadPoolExecutor(1) as pool:
        held = executing.calling(ledger)
        with closing(psycopg.connect(where)) as other:
            other.execute("lock table calls in exclusive mode")
            journaled = pool.submit(ledger.journal, held.run_id, 1, example_answer("patient"))
            while not execute(where, "select 1 from pg_stat_activity where wait_event_type = 'Lock'"):
                time.sleep(0.01)
            own_server.stop()
        own_server.start()
        assert journaled.result(timeout=20) is True
        assert ledger.get(held.run_id).answer == "patient"


def test_an_answer_counts_whose_commit_was_not_confirmed(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection went after the commit: the journal tries again, and finds that it counts already."""
    with closing(open_ledger(where, lease_seconds=15)) as ledger:
        held = executing.calling(ledger)
        commit = psycopg.Connection.commit
        lost = threading.Event()

        def commit_and_lose(connection: psycopg.Connection[tuple[object, ...]]) -> None:
            commit(connection)
            if not lost.is_set():
                lost.set()
                raise psycopg.OperationalError("server closed the connection unexpectedly")

        with monkeypatch.context() as patch:
            patch.setattr(psycopg.Connection, "commit", commit_and_lose)
            assert ledger.journal(held.run_id, 1, example_answer("once"))
        assert lost.is_set()
        assert ledger.get(held.run_id).answer == "once"


# -- its settings ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("setting", ["on", "local", "off"])
def test_commits_that_are_not_on_disk_are_refused(where: str, setting: str) -> None:
    """Before anything is sent."""
    name = where.rpartition("/")[2]
    query(where, f"alter database {name} set synchronous_commit = {setting}")
    with closing(open_ledger(where, lease_seconds=15)) as ledger:
        if setting != "off":
            ledger.ping()
            return
        with pytest.raises(
            LedgerUnavailable, match=r"synchronous_commit is off, an answer would not survive"
        ):
            ledger.ping()


def test_a_ledger_that_cannot_be_written_is_found(where: str) -> None:
    """As where a provider makes a database read-only whose disk is full."""
    open_ledger(where, lease_seconds=15).close()
    name = where.rpartition("/")[2]
    query(where, f"alter database {name} set default_transaction_read_only = on")
    with closing(open_ledger(where, lease_seconds=15)) as ledger:
        assert ledger.list(USER) == []
        with pytest.raises(LedgerUnavailable, match="read-only transaction"):
            ledger.ping()


def test_a_user_without_rights_is_told(where: str) -> None:
    """No tables can be made: one line says so, and no connection is left open."""
    if not query(where, "select 1 from pg_roles where rolname = 'visitor'"):
        query(where, "create role visitor login password 'visitor'")
    query(where, "revoke create on schema public from public")
    visitor = f"postgresql://visitor:visitor@{where.rpartition('@')[2]}"
    with pytest.raises(LedgerUnavailable, match="permission denied for schema public"):
        open_ledger(visitor, lease_seconds=15)
    eventually(lambda: not query(where, "select 1 from pg_stat_activity where usename = 'visitor'"))
