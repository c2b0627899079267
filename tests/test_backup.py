"""A backup is whole or not there, its two files agree, and nothing of it is sent again by itself."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest

from secondlook import backup
from secondlook.cli import main
from secondlook.domain.runs import RunStatus
from secondlook.errors import LedgerUnavailable, RequestInvalid, SecondlookError, StoreUnavailable
from secondlook.ledger.database import ledger_database
from secondlook.ledger.usage import UsageLog, UsageQuery
from secondlook.services import Services, connect
from tests.mixed_runs import insert, mixed
from tests.postgres_server import PostgresServer
from tests.test_older_data import OLDER, STATES, USER, statuses

pytestmark = pytest.mark.usefixtures("offline")


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """The offline agent answers."""
    monkeypatch.setenv("SECONDLOOK_AGENT", "offline")


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """A data folder that an older version wrote, with runs in every state."""
    folder = tmp_path / "older"
    folder.mkdir()
    for name in ("ledger", "store"):
        with closing(sqlite3.connect(folder / f"{name}.db")) as made:
            made.executescript((OLDER / f"{name}.sql").read_text(encoding="utf-8"))
    return folder


def services_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Services:
    """What a process on that data folder works with."""
    monkeypatch.setenv("SECONDLOOK_DATA_DIR", str(folder))
    return connect()


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    """What a query finds in a file."""
    with closing(sqlite3.connect(path)) as database:
        return database.execute(query).fetchall()


def test_an_older_backup_is_restored(older: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every row is there, the ledger is brought up to date, and what was queued waits for a person."""
    made = backup.back_up(older, tmp_path / "made")
    restored = backup.restore(tmp_path / "made", tmp_path / "restored")
    for query in (
        "select * from sources order by id",
        "select * from estimate_buckets order by id",
        "select * from snapshots order by id",
    ):
        assert rows(older / "store.db", query) == rows(tmp_path / "restored" / "store.db", query)
    query = "select run_id, number, body, cost_nanousd from calls order by 1, 2"
    assert rows(older / "ledger.db", query) == rows(tmp_path / "restored" / "ledger.db", query)

    services = services_on(tmp_path / "restored", monkeypatch)
    expected = tuple("in_doubt" if state == "queued" else state for state in STATES)
    assert tuple(statuses(services)) == expected
    assert restored.unknown == STATES.count("queued")
    doubted = services.ledger.list(USER, status=RunStatus.IN_DOUBT)
    assert {run.error.message for run in doubted if run.error and "Restored" in run.error.message} == {
        f"Restored from a backup of {made.made_at}: the run may have been sent after it was made"
    }


def test_copies_made_while_runs_go_on_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a copied ledger calls done has its snapshot in the copied store."""
    services = services_on(tmp_path / "data", monkeypatch)
    services.ledger.ping()
    user = services.default_user()
    records = services.store(services.own_access(user)).records(user, status="bucketed", after="", limit=12)

    def run_all() -> None:
        for record in records:
            main(["snapshot", record.source.source_id])

    work = threading.Thread(target=run_all)
    work.start()
    made = 0
    while work.is_alive():
        backup.back_up(tmp_path / "data", tmp_path / f"copy{made}")
        made += 1
    work.join()
    backup.back_up(tmp_path / "data", tmp_path / "last")
    counts: list[int] = []
    for copy in [*(tmp_path / f"copy{number}" for number in range(made)), tmp_path / "last"]:
        done = {
            run_id for (run_id,) in rows(copy / "ledger.db", "select run_id from runs where status='done'")
        }
        assert done <= {key for (key,) in rows(copy / "store.db", "select id from snapshots")}
        counts.append(len(done))
    assert counts[-1] == len(records)
    assert len(set(counts)) > 1, "no copy was made while runs went on"


def _make(folder: Path) -> None:
    backup.back_up(folder / "older", folder / "new")


def _restore(folder: Path) -> None:
    backup.restore(folder / "made", folder / "new")


def _die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize(
    ("work", "point"),
    [
        *((_make, point) for point in ("_copy", "_digest", "_write", "_flush")),
        *((_restore, point) for point in ("_digest", "doubt_queued", "_flush")),
    ],
)
@pytest.mark.usefixtures("older")
def test_a_killed_one_leaves_nothing_that_looks_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, work: Callable[[Path], None], point: str
) -> None:
    """The folder of that name is not there, and the next try makes it."""
    backup.back_up(tmp_path / "older", tmp_path / "made")
    with monkeypatch.context() as patched:
        patched.setattr(backup, point, _die)
        child = os.fork()
        if child == 0:
            work(tmp_path)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert not (tmp_path / "new").exists()
    work(tmp_path)
    assert {path.name for path in (tmp_path / "new").iterdir()} >= {"ledger.db", "store.db"}


def test_only_the_owner_can_read_it(older: Path, tmp_path: Path) -> None:
    """The folders and the files."""
    backup.back_up(older, tmp_path / "made")
    backup.restore(tmp_path / "made", tmp_path / "restored")
    for folder in (tmp_path / "made", tmp_path / "restored"):
        assert {path.stat().st_mode & 0o077 for path in [folder, *folder.iterdir()]} == {0}


def _existing(folder: Path) -> None:
    backup.back_up(folder, folder)


def _nothing(folder: Path) -> None:
    backup.back_up(folder / "none", folder / "new")


def _no_backup(folder: Path) -> None:
    backup.restore(folder, folder / "new")


def _changed(folder: Path) -> None:
    backup.back_up(folder, folder / "made")
    with (folder / "made" / "store.db").open("ab") as file:
        file.write(b"more")
    backup.restore(folder / "made", folder / "new")


def _missing(folder: Path) -> None:
    backup.back_up(folder, folder / "made")
    (folder / "made" / "store.db").unlink()
    backup.restore(folder / "made", folder / "new")


def _in_use(folder: Path) -> None:
    backup.back_up(folder, folder / "made")
    backup.restore(folder / "made", folder)


def _no_folder(folder: Path) -> None:
    backup.back_up(folder, folder / "store.db" / "new")


def _damaged(folder: Path) -> None:
    (folder / "store.db").write_bytes(b"no database at all" * 100)
    backup.back_up(folder, folder / "new")


@pytest.mark.parametrize(
    ("work", "kind", "said"),
    [
        (_existing, RequestInvalid, "exists"),
        (_nothing, RequestInvalid, "nothing to back up"),
        (_no_backup, RequestInvalid, "is no backup"),
        (_changed, RequestInvalid, "has changed since it was made"),
        (_missing, RequestInvalid, "is no backup"),
        (_in_use, RequestInvalid, "is not empty"),
        (_no_folder, StoreUnavailable, "cannot be written: File exists"),
        (_damaged, StoreUnavailable, "file is not a database"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_cannot_be_done_says_why(
    older: Path, work: Callable[[Path], None], kind: type[SecondlookError], said: str
) -> None:
    """And makes no folder."""
    with pytest.raises(kind, match=said):
        work(older)
    assert not (older / "new").exists()


def test_a_ledger_of_a_later_version_is_refused(older: Path) -> None:
    """It says what to do, and leaves it as it is."""
    ledger_database(older / "ledger.db").close()
    with closing(sqlite3.connect(older / "ledger.db")) as later, later:
        later.execute("insert into migrations values ('999_later', 0)")
    with pytest.raises(LedgerUnavailable, match=r"a later version has changed it \(999_later\)") as refused:
        ledger_database(older / "ledger.db")
    assert "backup" in refused.value.hint


def test_a_ledger_moves_to_another_database(
    tmp_path: Path,
    postgres_server: PostgresServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Every row, read by other code than what wrote it; usage is the same; a second copy is refused."""
    data = tmp_path / "data"
    made = mixed(3_000, seed=17)
    insert(data / "ledger.db", made)
    backup.back_up(data, tmp_path / "made")
    url = postgres_server.empty_schema()
    monkeypatch.setenv("SECONDLOOK_LEDGER_URL", url)
    assert main(["import-ledger", str(tmp_path / "made"), "--json"]) == 0
    copied = json.loads(capsys.readouterr().out)
    assert (copied["runs"], copied["calls"]) == (len(made.runs), len(made.calls))

    query = UsageQuery(since=date(2026, 10, 1), until=date(2026, 11, 22), by="day")
    reports: list[object] = []
    for where in (backup.restore(tmp_path / "made", tmp_path / "restored").folder / "ledger.db", url):
        with closing(ledger_database(where)) as database:
            reports.append(UsageLog(database).report(query))
    assert reports[0] == reports[1]
    assert main(["import-ledger", str(tmp_path / "made")]) == 1
    assert "not empty" in capsys.readouterr().err


def test_a_ledger_on_postgres_names_its_own_tool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No part of its URL is printed; the embedded store is copied."""
    services = services_on(tmp_path / "data", monkeypatch)
    services.store(services.own_access(services.default_user()))
    monkeypatch.setenv("SECONDLOOK_LEDGER_URL", "postgresql://me:canary@localhost/ledger")
    assert main(["backup", str(tmp_path / "made")]) == 0
    out = capsys.readouterr()
    assert "pg_dump" in out.err
    assert "canary" not in out.out + out.err
    assert {path.name for path in (tmp_path / "made").iterdir()} == {"backup.json", "store.db"}
