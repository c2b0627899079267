"""Full disks, locked and broken files: refused before the call, and nothing lost after it."""

from __future__ import annotations

import resource
import sqlite3
import threading
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

from secondlook.stores.sqlite import SqliteStore
from tests.processes import API_KEY, Home, Outcome
from tests.provider import Exchange, answering


@pytest.fixture
def hasty(home: Home, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home whose databases wait only a moment for a lock, in this process."""
    monkeypatch.setattr("secondlook.connections.database.BUSY_SECONDS", 0.1)
    return home


@contextmanager
def locked(path: Path) -> Generator[None]:
    """Somebody else is writing to a database, and does not end."""
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("begin immediate")
        yield
        other.rollback()


def tidy(outcome: Outcome) -> None:
    """No traceback, no key."""
    assert "Traceback" not in outcome.err
    assert API_KEY not in outcome.out + outcome.err


def nothing_sent(home: Home) -> None:
    """No request, no snapshot."""
    assert (home.provider.requests, home.snapshots(), home.status()) == ([], [], "bucketed")


# -- the ledger, before the call -------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [0, 1000, 20_000, 40_000])
def test_full_disk(home: Home, limit: int) -> None:
    """Where the ledger cannot grow, at once or after a few pages, nothing is sent; with room it is."""
    home.set(SECONDLOOK_LEASE_SECONDS="0.5")
    assert home.call("runs").items == []  # the ledger is there
    home.services().close()

    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    outcome = home.run("snapshot", home.sample.source_id, before=small)

    tidy(outcome)
    assert outcome.error["code"] == "ledger_unavailable"
    nothing_sent(home)
    assert [run["status"] for run in home.runs()] in ([], ["queued"])
    assert home.snapshot().code == 0
    assert len(home.provider.requests) == len(home.snapshots()) == 1


def test_little_room(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """With too little free space to keep an answer, a run is refused, and leaves none behind."""
    usage = SimpleNamespace(total=10**9, used=10**9 - 4096, free=4096)
    monkeypatch.setattr("shutil.disk_usage", lambda _path: usage)  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType] -- a stand-in

    outcome = home.snapshot()

    assert outcome.error["code"] == "ledger_unavailable"
    assert "16 MiB" in outcome.error["message"]
    nothing_sent(home)
    assert (outcome.error["run_id"], home.runs()) == (None, [])


def test_locked_ledger(hasty: Home) -> None:
    """A ledger that somebody else is writing to refuses the run; afterwards it works."""
    assert hasty.call("runs").items == []
    with locked(hasty.data / "ledger.db"):
        outcome = hasty.snapshot()

    tidy(outcome)
    assert (outcome.error["code"], outcome.error["run_id"]) == ("ledger_unavailable", None)
    assert (hasty.runs(), hasty.provider.requests) == ([], [])
    assert hasty.snapshot().code == 0


def test_locked_ledger_and_a_process(home: Home) -> None:
    """A real process waits a few seconds for the ledger's lock, then refuses."""
    assert home.call("runs").items == []
    with locked(home.data / "ledger.db"):
        outcome = home.run("snapshot", home.sample.source_id)

    tidy(outcome)
    assert outcome.error["code"] == "ledger_unavailable"
    nothing_sent(home)


def test_reading_goes_on_while_somebody_writes(hasty: Home) -> None:
    """A locked store and ledger can still be read."""
    assert hasty.call("runs").items == []
    with locked(hasty.data / "ledger.db"), locked(hasty.data / "store.db"):
        assert hasty.call("runs").code == 0
        assert hasty.call("sources").code == 0


# -- the ledger, during the call -------------------------------------------------------------------------


def test_ledger_locked_while_the_answer_comes(hasty: Home) -> None:
    """An answer waits in memory until the ledger can be written again; it is not lost."""
    arrived = threading.Event()

    def behave(exchange: Exchange) -> None:
        with locked(hasty.data / "ledger.db"):
            answering(hasty.sample.answer)(exchange)
            arrived.set()
            exchange.pause(0.8)  # several times as long as a writer waits

    hasty.provider.behaviour = behave

    outcome = hasty.snapshot()

    assert arrived.is_set()
    assert outcome.code == 0, outcome.out
    assert len(hasty.provider.requests) == len(hasty.snapshots()) == 1
    assert hasty.runs()[0]["status"] == "done"


def test_ledger_locked_past_the_deadline(hasty: Home) -> None:
    """An answer that is here is kept, however long after the deadline the ledger can be written again."""
    hasty.set(SECONDLOOK_DEADLINE_SECONDS="0.5", SECONDLOOK_LEASE_SECONDS="0.5")

    def behave(exchange: Exchange) -> None:
        with locked(hasty.data / "ledger.db"):
            answering(hasty.sample.answer)(exchange)
            exchange.pause(1.5)

    hasty.provider.behaviour = behave

    outcome = hasty.snapshot()
    assert outcome.code == 0, outcome.out
    assert hasty.runs()[0]["status"] == "done"
    assert len(hasty.provider.requests) == len(hasty.snapshots()) == 1


def test_disk_fills_up_during_the_call(home: Home) -> None:
    """If the disk fills up under the answer, the run's outcome is unknown: it is not resent automatically."""
    home.set(SECONDLOOK_DEADLINE_SECONDS="2", SECONDLOOK_LEASE_SECONDS="0.5")

    outcome = home.run("snapshot", home.sample.source_id, driver="Client.ask:fills")

    tidy(outcome)
    assert outcome.error["code"] == "ledger_unavailable"
    assert outcome.error["run_id"] == home.runs()[0]["run_id"]
    home.wait_for_lease()
    assert [run["status"] for run in home.call("resume").items] == ["in_doubt"]
    assert home.snapshot().error["code"] == "in_doubt"
    assert (len(home.provider.requests), home.snapshots()) == (1, [])


# -- the store, after the call ---------------------------------------------------------------------------


def during_the_call(home: Home, change: Callable[[], object]) -> None:
    """Let something happen while the server has the request."""

    def behave(exchange: Exchange) -> None:
        change()
        answering(home.sample.answer)(exchange)

    home.provider.behaviour = behave


def kept(home: Home, outcome: Outcome) -> None:
    """The answer is in the ledger, and not in the store; the error names the run."""
    tidy(outcome)
    assert outcome.error["code"] == "store_unavailable"
    (run,) = home.runs()
    assert (run["run_id"], run["status"]) == (outcome.error["run_id"], "answered")
    assert run["error_code"] == "store_unavailable"
    assert home.calls()[0]["body"]


def goes_on(home: Home) -> None:
    """`resume` stores the kept answer, without another request."""
    generated_at = home.runs()[0]["generated_at"]
    assert [run["status"] for run in home.call("resume").items] == ["done"]
    (stored,) = home.snapshots()
    assert stored["generated_at"] == generated_at
    assert home.status() == "snapshot_generated"
    assert home.runs()[0]["error"] is None
    assert len(home.provider.requests) == 1
    assert home.call("resume").items == []


def test_locked_store(hasty: Home) -> None:
    """A store that cannot be written after the answer costs nothing twice: `resume` stores it later."""
    with locked(hasty.data / "store.db"):
        outcome = hasty.snapshot()
        kept(hasty, outcome)
        assert [run["status"] for run in hasty.call("resume").items] == ["answered"]

    goes_on(hasty)


def test_asking_again_stores_the_kept_answer(hasty: Home) -> None:
    """`snapshot` of a source whose answer waits to be stored joins that run: no second request."""
    with locked(hasty.data / "store.db"):
        first = hasty.snapshot()
        kept(hasty, first)

    second = hasty.snapshot()

    assert second.fields["run_id"] == first.error["run_id"]
    assert len(hasty.provider.requests) == len(hasty.snapshots()) == 1


def test_disk_fills_up_before_the_insert(home: Home) -> None:
    """A disk that fills up once the answer is journaled loses nothing: with room the run goes on."""
    home.set(SECONDLOOK_LEASE_SECONDS="0.5")

    outcome = home.run("snapshot", home.sample.source_id, driver="SqliteStore.save_snapshot:fills")

    tidy(outcome)
    assert outcome.error["code"] in {"store_unavailable", "ledger_unavailable"}
    assert outcome.error["run_id"] == home.runs()[0]["run_id"]
    home.wait_for_lease()
    goes_on(home)


def test_store_locked_between_insert_and_status(hasty: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that cannot be written between the insert and the status is marked later; one snapshot."""
    mark, lock = SqliteStore.mark_generated, locked(hasty.data / "store.db")

    def late(self: SqliteStore, source_id: str, user_id: str) -> bool:
        with lock:
            return mark(self, source_id, user_id)

    monkeypatch.setattr(SqliteStore, "mark_generated", late)
    outcome = hasty.snapshot()
    monkeypatch.setattr(SqliteStore, "mark_generated", mark)

    kept(hasty, outcome)
    assert (len(hasty.snapshots()), hasty.status()) == (1, "bucketed")
    goes_on(hasty)


@pytest.mark.parametrize("refused", ["update on sources", "insert on snapshots"])
def test_store_refuses_by_a_rule_of_its_own(home: Home, refused: str) -> None:
    """A rule of the database gives an error, not a traceback, and the source is not taken for gone."""
    home.store(f"create trigger rule before {refused} begin select raise(abort, 'not so'); end")
    outcome = home.snapshot()

    kept(home, outcome)
    home.store("drop trigger rule")
    goes_on(home)


def test_store_loses_its_table_during_the_call(hasty: Home) -> None:
    """A store that breaks during the call is an error of its own; once mended, the answer is stored."""
    during_the_call(hasty, lambda: hasty.store("alter table snapshots rename to gone"))
    outcome = hasty.snapshot()
    kept(hasty, outcome)

    hasty.store("alter table gone rename to snapshots")
    goes_on(hasty)


# -- files that are not what they should be --------------------------------------------------------------


def overwritten(path: Path) -> None:
    """Put something else where a database was."""
    path.write_bytes(b"Dear diary, " * 1000)


def torn(path: Path) -> None:
    """Overwrite a database's pages but the first."""
    data = path.read_bytes()
    path.write_bytes(data[:4096] + b"\xff" * (len(data) - 4096))


def shortened(path: Path) -> None:
    """Cut a database off in the middle."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def emptied(path: Path) -> None:
    """Leave nothing of a database but its name."""
    path.write_bytes(b"")


def folder(path: Path) -> None:
    """Put a folder where a database was."""
    path.unlink()
    path.mkdir()


def without_a_table(path: Path) -> None:
    """Drop a table that is read first."""
    with closing(sqlite3.connect(path)) as database, database:
        for table in ("estimate_buckets", "runs"):
            with suppress(sqlite3.OperationalError):
                database.execute(f"drop table {table}")


DAMAGES = [
    pytest.param(damage, id=damage.__name__.replace("_", " "))
    for damage in (overwritten, torn, shortened, emptied, folder, without_a_table)
]


@pytest.mark.parametrize("command", [("snapshot", "ID"), ("sources",)], ids=["snapshot", "sources"])
@pytest.mark.parametrize("damage", [one for one in DAMAGES if one.values[0] is not emptied])
def test_broken_store(home: Home, damage: Callable[[Path], None], command: tuple[str, ...]) -> None:
    """A store that is no database of these tables is an error with its path; nothing is sent."""
    damage(home.data / "store.db")

    outcome = home.call(*(home.sample.source_id if word == "ID" else word for word in command))

    tidy(outcome)
    assert outcome.error["code"] == "store_unavailable"
    assert "store.db" in outcome.error["message"]
    assert outcome.error["run_id"] is None
    assert home.provider.requests == []
    if (home.data / "ledger.db").exists():
        assert home.runs() == []


def test_emptied_store(home: Home) -> None:
    """A store's file that holds nothing is a new one: it is made with the samples, in whole."""
    emptied(home.data / "store.db")

    outcome = home.call("sources")

    tidy(outcome)
    assert len(outcome.items) >= 42
    assert home.store("select count(*) as n from sources") == [{"n": 102}]
    assert home.snapshot().code == 0


@pytest.mark.parametrize(
    "command", [("snapshot", "ID"), ("runs",), ("resume",)], ids=["snapshot", "runs", "resume"]
)
@pytest.mark.parametrize("damage", [one for one in DAMAGES if one.values[0] is not emptied])
def test_broken_ledger(home: Home, damage: Callable[[Path], None], command: tuple[str, ...]) -> None:
    """A ledger that is no ledger refuses every command that needs it; nothing is sent."""
    assert home.call("runs").items == []
    home.services().close()
    damage(home.data / "ledger.db")

    outcome = home.call(*(home.sample.source_id if word == "ID" else word for word in command))

    tidy(outcome)
    assert outcome.error["code"] == "ledger_unavailable"
    assert home.provider.requests == []


def test_file_in_place_of_the_folder(home: Home) -> None:
    """A data folder that cannot be made is named, in a clear error."""
    taken = home.folder / "taken"
    taken.write_text("not a folder")
    home.set(SECONDLOOK_DATA_DIR=str(taken))

    snapshot, sources, check = home.snapshot(), home.call("sources"), home.call("check")

    assert snapshot.error["code"] in {"store_unavailable", "ledger_unavailable"}
    assert sources.error["code"] == "store_unavailable"
    for outcome in (snapshot, sources):
        tidy(outcome)
        assert f"SECONDLOOK_DATA_DIR {taken} cannot be used" in outcome.error["message"]
    assert check.code == 1
    assert {part["name"] for part in check.items if not part["ok"]} == {"store", "ledger"}
    assert (home.provider.requests, taken.read_text()) == ([], "not a folder")
