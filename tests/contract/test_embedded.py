"""What only the embedded store does: it makes its file, fills it, and reads what others put there."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import event

from dev import made_up
from secondlook.connections import database
from secondlook.domain import bucket_rules
from secondlook.domain.sources import SourcePage, SourceQuery
from secondlook.domain.stored_snapshots import read_snapshot
from secondlook.domain.weeks import monday_of
from secondlook.errors import StoreUnavailable
from secondlook.stores.samples import (
    MADE_UP_USER,
    PRACTICE_USERS,
    SAMPLE_USERS,
    practice_sources,
    sample_sources,
)
from secondlook.stores.sqlite import SqliteStore
from tests.examples import (
    NOBODY,
    OTHER_USER,
    SNAPSHOT,
    SOURCE,
    TODAY,
    USER,
    bucket_row,
    example_snapshot,
    some,
)
from tests.processes import at_once, race
from tests.tables import EmbeddedTables, newest


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the store will be."""
    return tmp_path / "store.db"


@pytest.fixture
def store(path: Path) -> Generator[SqliteStore]:
    """A new store."""
    made = SqliteStore(path, practice_sources)
    yield made
    made.close()


@pytest.fixture
def tables(path: Path, store: SqliteStore) -> EmbeddedTables:  # noqa: ARG001 -- it makes the file
    """Its tables."""
    return EmbeddedTables(path)


# -- samples --------------------------------------------------------------------------------------------


def test_samples_are_shared_out(store: SqliteStore, tables: EmbeddedTables) -> None:
    """85 practice sources over two users, and a few odd ones."""
    statuses = Counter(sample.source["status"] for sample in practice_sources())
    assert tables.count("sources") == statuses.total() == 90
    assert {"bucketed", "ingested", "pending", "insufficient_data"} == set(statuses)
    per_user = [store.list_sources(user, SourceQuery(limit=500)).total for user in PRACTICE_USERS]
    assert min(per_user) >= 42
    assert sum(per_user) >= 85
    assert tables.count("estimates_normalized") == tables.count("snapshots") == 0


def test_ids_are_fixed() -> None:
    """docs/cli.md names the users; every source has the same id on every machine."""
    assert list(SAMPLE_USERS) == [
        "10000000-0000-4000-8000-000000000001",
        "a0000000-0000-4000-8000-000000000001",
        "b0000000-0000-4000-8000-000000000002",
    ]
    ids = [str(sample.source["id"]) for sample in practice_sources()]
    assert len(set(ids)) == len(ids)
    assert all(str(UUID(each)) == each for each in ids)
    assert ids == [str(sample.source["id"]) for sample in practice_sources()]
    assert ids[0] == "4bb9bd05-cd46-52e5-8032-8c5993b8c91a"


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(sample.buckets, id=str(sample.source["source_name"]))
        for sample in practice_sources()
        if sample.buckets is not None and sample.source["status"] == "bucketed"
    ],
)
def test_a_samples_buckets_are_valid(row: dict[str, object]) -> None:
    """Every bucketed sample's row passes the rules."""
    read = bucket_rules.read_buckets(row, today=TODAY)
    bucket_rules.check_sums(read, bucket_rules.total(read.price))


def test_a_few_samples_cannot_be_run(store: SqliteStore) -> None:
    """A page has something to say about sources of every kind."""
    rows = store.list_sources(USER, SourceQuery(limit=500)).rows
    runnable = [row for row in rows if row.source.status == "bucketed" and (row.estimate_count or 0) >= 25]
    assert 30 < len(runnable) < len(rows)


DAYS = [date(2026, 1, 1) + timedelta(days=9 * index) for index in range(41)]


@pytest.mark.parametrize("day", DAYS, ids=str)
def test_the_made_up_contractor_on_any_day(day: date) -> None:
    """Twelve sources of two seasons up to that week: one too small, three with a snapshot, one changed."""
    made = [sample for sample in sample_sources(day) if sample.source["user_id"] == MADE_UP_USER]
    assert sample_sources(day)[: len(made)] == made
    assert len(made) == 12
    assert {sample.source["source_type"] for sample in made} == {"jobber", "housecall_pro", "csv"}
    small: list[str] = []
    changed: list[str] = []
    for sample in made:
        name = str(sample.source["source_name"])
        assert name.endswith("(made up)")
        assert sample.buckets is not None
        read = bucket_rules.read_buckets(sample.buckets, today=day)
        count = bucket_rules.total(read.price)
        assert count == bucket_rules.total(read.latency) == bucket_rules.total(read.weeks)
        assert len(read.weeks) == 26
        assert day - monday_of(read.weeks[-1].week) < timedelta(days=7 * (7 if sample.snapshot else 2))
        small += [name] * (count < 25)
        if sample.snapshot is not None:
            stored = read_snapshot(sample.snapshot)
            age = day - date.fromisoformat(stored.generated_at[:10])
            assert timedelta(days=30) < age < timedelta(days=50)
            changed += [name] * (stored.result.demand.weekly_volume != read.weeks)
            assert sample.source["status"] == ("bucketed" if name in changed else "snapshot_generated")
    assert (small, changed) == (["Basements (made up)"], ["Roof repairs (made up)"])
    assert sum(sample.snapshot is not None for sample in made) == 3


def test_the_made_up_data_are_those_of_the_script(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    """By a fixed seed: whoever runs it again gets the same file."""
    shipped = made_up.FILE.read_bytes()
    monkeypatch.setattr(made_up, "FILE", path)
    made_up.main()
    assert path.read_bytes() == shipped


def test_a_new_store_starts_with_the_made_up_contractor(path: Path) -> None:
    """Their sources and snapshots are there, and the first user to choose is theirs."""
    with closing(SqliteStore(path)) as made:
        assert made.users()[0] == MADE_UP_USER
        assert made.list_sources(MADE_UP_USER, SourceQuery()).total == 12
        snapshots = made.list_snapshots(MADE_UP_USER).rows
        assert [made.get_snapshot(row.snapshot_id, MADE_UP_USER) is not None for row in snapshots] == [
            True
        ] * 3


def test_a_second_start_adds_nothing(store: SqliteStore, tables: EmbeddedTables, path: Path) -> None:
    """Samples go into a new file alone: what is deleted stays deleted."""
    store.close()
    tables.run("delete from estimate_buckets")
    tables.run("delete from sources")
    again = SqliteStore(path, practice_sources)
    assert again.users() == []
    again.close()
    assert tables.count("sources") == 0


# -- what another program put there ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"price_band_lt_500": "many"}, id="text for a count"),
        pytest.param({"price_band_lt_500": -1}, id="negative count"),
        pytest.param({"price_band_5000_plus": 2**62}, id="endless count"),
        pytest.param({"weekly_volume": "[{"}, id="broken JSON"),
    ],
)
def test_a_broken_row_does_not_break_the_list(
    store: SqliteStore, tables: EmbeddedTables, changes: dict[str, object]
) -> None:
    """One unreadable buckets row is one row; the others are listed as ever."""
    tables.add_source(SOURCE, user_id=NOBODY, name="Broken", buckets=bucket_row(**changes))
    tables.add_source(SOURCE.replace("1", "2"), user_id=NOBODY, name="Whole")
    page = store.list_sources(NOBODY, SourceQuery())
    assert [row.source.source_name for row in page.rows] == ["Broken", "Whole"]
    assert page.rows[1].estimate_count == 35
    assert store.load(SOURCE, NOBODY) is not None


def test_an_unknown_count_is_unknown(store: SqliteStore, tables: EmbeddedTables) -> None:
    """Where the bands cannot be read the count is unknown, not 0."""
    tables.add_source(SOURCE, user_id=NOBODY, buckets=bucket_row(price_band_lt_500="many"))
    (row,) = store.list_sources(NOBODY, SourceQuery()).rows
    assert (row.estimate_count, row.confidence_level) == (None, None)


def test_other_columns_are_ignored(store: SqliteStore, tables: EmbeddedTables) -> None:
    """A column that this project does not name may exist."""
    for table in ("sources", "estimate_buckets", "snapshots", "estimates_normalized"):
        tables.run(f"alter table {table} add column note text default 'secret'")
    tables.add_source(SOURCE, user_id=NOBODY)
    assert "secret" not in some(store.load(SOURCE, NOBODY)).model_dump_json()
    assert store.list_sources(NOBODY, SourceQuery()).total == 1


def test_a_snapshot_that_is_not_of_the_schema(store: SqliteStore, tables: EmbeddedTables) -> None:
    """A result that another program wrote wrongly is a clear error."""
    tables.add_source(SOURCE, user_id=NOBODY)
    tables.run(
        "insert into snapshots values ('s', ?, ?, 35, 'low', '{\"note\": 1}', '2026-11-22T10:00:00Z')",
        *(SOURCE, NOBODY),
    )
    with pytest.raises(StoreUnavailable, match=r"^Snapshot s does not match the locked schema$"):
        newest(store, SOURCE, NOBODY)


# -- files that are no store ----------------------------------------------------------------------------


def no_database(path: Path) -> None:
    """Some other file."""
    path.write_text("this is a text file, and not a short one at all" * 100, encoding="utf-8")


def no_tables(path: Path) -> None:
    """An SQLite database of another program."""
    EmbeddedTables(path).run("create table notes (id text)")


def other_columns(path: Path) -> None:
    """Tables of the same name with other columns."""
    EmbeddedTables(path).run("create table sources (id text primary key)")


def a_folder(path: Path) -> None:
    """A folder of that name."""
    path.mkdir()


def nothing(path: Path) -> None:
    """An empty file."""
    path.touch()


def started(path: Path) -> None:
    """What a process leaves that ends before its first commit: a write-ahead log, and no table."""
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("pragma journal_mode=wal").fetchone() == ("wal",)


def rolled_back(path: Path) -> None:
    """What a process leaves that ends while it makes the tables."""
    started(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("begin immediate")
        other.execute("create table sources (id text primary key)")


@pytest.mark.parametrize("make", [nothing, started, rolled_back], ids=lambda make: make.__name__)
def test_a_file_without_a_store_yet(path: Path, make: Callable[[Path], None]) -> None:
    """A file that holds nothing is made as a missing one is: whole, with the samples."""
    make(path)
    with closing(SqliteStore(path, practice_sources)) as made:
        assert made.users() == PRACTICE_USERS
    assert EmbeddedTables(path).count("sources") == 90
    assert EmbeddedTables(path).columns().keys() == {
        "sources",
        "estimates_normalized",
        "estimate_buckets",
        "snapshots",
    }


@pytest.mark.parametrize("make", [no_database, no_tables, a_folder], ids=lambda make: make.__name__)
def test_a_file_that_is_no_store(path: Path, make: Callable[[Path], None]) -> None:
    """The message names the file; the file is left as it is."""
    make(path)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(StoreUnavailable) as caught:
        SqliteStore(path, practice_sources)
    assert caught.value.message.startswith(f"The store {path} cannot be used: ")
    assert "\n" not in caught.value.message
    if make is no_database:
        assert path.read_bytes() == before
    if make is no_tables:
        assert EmbeddedTables(path).columns() == {"notes": ["id"]}


def test_tables_of_another_program(path: Path) -> None:
    """Tables that lack the contract's columns are a clear error at the latest when they are read."""
    other_columns(path)
    with pytest.raises(StoreUnavailable, match=r"^The store .* cannot be used: "):
        SqliteStore(path, practice_sources).list_sources(USER, SourceQuery())


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """So is a store that cannot be made."""
    (tmp_path / "nowhere").touch()
    with pytest.raises(StoreUnavailable, match="cannot be used"):
        SqliteStore(tmp_path / "nowhere" / "store.db")


# -- two processes --------------------------------------------------------------------------------------

RACER = """
import sys
from contextlib import closing
from pathlib import Path
from secondlook.stores.sqlite import SqliteStore
print("ready", flush=True)
sys.stdin.readline()
store = SqliteStore(Path(sys.argv[1]))
print(len(store.users()), store.mark_generated(sys.argv[2], sys.argv[3]), flush=True)
store.close()
"""


@pytest.mark.parametrize("attempt", range(3))
def test_two_processes_start_at_once(path: Path, attempt: int) -> None:  # noqa: ARG001 -- a race
    """Both get the whole store, what each writes is there, and nothing is left over."""
    writes = [
        next(str(sample.source["id"]) for sample in practice_sources() if sample.source["user_id"] == user)
        for user in (USER, OTHER_USER)
    ]
    users = (USER, OTHER_USER)
    said = at_once(RACER, *([str(path), *of_user] for of_user in zip(writes, users, strict=True)))
    assert said == ["3 True\n"] * 2
    tables = EmbeddedTables(path)
    assert tables.count("sources") == 102
    assert [tables.status(source) for source in writes] == ["snapshot_generated"] * 2
    left = {each.name for each in path.parent.iterdir()} - {
        "data",
        "store.db",
        "store.db-wal",
        "store.db-shm",
    }
    assert left == set()


def test_a_start_waits_for_another_program(store: SqliteStore, path: Path) -> None:
    """A program that keeps no write-ahead log is writing: the store waits for it, it does not fail."""
    store.close()
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        assert other.execute("pragma journal_mode=delete").fetchone() == ("delete",)
        other.execute("begin immediate")
        other.execute("update sources set status = 'bucketed'")
        release = threading.Timer(0.4, other.execute, ("commit",))
        release.start()
        try:
            SqliteStore(path, practice_sources).close()
        finally:
            release.join()


RIVAL = """
import subprocess, sys
from contextlib import closing
from pathlib import Path
path, source, user = sys.argv[1:4]
other = '''
import sys
from contextlib import closing
from pathlib import Path
from secondlook.stores.sqlite import SqliteStore
store = SqliteStore(Path(sys.argv[1]))
assert store.mark_generated(sys.argv[2], sys.argv[3])
store.close()
'''
met = []
def hook(event, args):
    if event == sys.argv[4] and (event != "sqlite3.connect" or str(args[0]) == path) and not met:
        met.append(event)
        subprocess.run([sys.executable, "-c", other, path, source, user], check=True)
from secondlook.stores.sqlite import SqliteStore
sys.addaudithook(hook)
store = SqliteStore(Path(path))
print(len(met), store.load(source, user).source.status)
store.close()
"""


@pytest.mark.parametrize("moment", ["sqlite3.connect", "sqlite3.connect/handle"])
@pytest.mark.parametrize("make", [None, nothing], ids=["missing", "empty"])
def test_a_store_that_another_process_made_first_is_kept(
    path: Path, pytestconfig: pytest.Config, make: Callable[[Path], None] | None, moment: str
) -> None:
    """Another makes the file after this process found it missing: what it wrote meanwhile is not lost."""
    source = str(practice_sources()[0].source["id"])
    if make is not None:
        make(path)
    ran = subprocess.run(
        [sys.executable, "-c", RIVAL, str(path), source, USER, moment],
        capture_output=True,
        text=True,
        check=True,
        cwd=pytestconfig.rootpath,
    )
    assert ran.stdout.split() == ["1", "snapshot_generated"]
    tables = EmbeddedTables(path)
    assert (tables.status(source), tables.count("sources")) == ("snapshot_generated", 102)


def test_eight_threads_start_at_once(path: Path) -> None:
    """So do threads, each with a store of its own; the samples are there once."""

    def users(_: int) -> list[str]:
        with closing(SqliteStore(path, practice_sources)) as made:
            return made.users()

    assert race(users) == [list(PRACTICE_USERS)] * 8
    assert EmbeddedTables(path).count("sources") == 90


def test_another_program_that_does_not_end(
    store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wait for a program without a write-ahead log has an end, and a clear error."""
    store.close()
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.2)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        assert other.execute("pragma journal_mode=delete").fetchone() == ("delete",)
        other.execute("begin exclusive")
        with pytest.raises(StoreUnavailable, match=r"cannot be used: database is locked$"):
            SqliteStore(path, practice_sources)
        other.execute("rollback")
    SqliteStore(path, practice_sources).close()


def test_the_shipped_samples_are_whole() -> None:
    """The package has its own copy of the practice data; each estimate count is its bands' sum."""
    rows = [sample.buckets for sample in practice_sources() if sample.buckets is not None]
    assert len(rows) >= 85
    assert all(json.loads(str(row["weekly_volume"])) for row in rows)


def test_a_file_of_an_earlier_version_gets_its_indexes(
    path: Path, store: SqliteStore, tables: EmbeddedTables
) -> None:
    """The history is as fast in a file that was made before there was one."""
    made = {name for (name,) in tables.run("select name from sqlite_master where type = 'index'")}
    store.close()
    for name in made:
        if not str(name).startswith("sqlite_"):
            tables.run(f"drop index {name}")
    tables.run("create index snapshots_by_user on snapshots (user_id, generated_at, id)")
    for _ in range(2):
        SqliteStore(path, practice_sources).close()
    found = {name for (name,) in tables.run("select name from sqlite_master where type = 'index'")}
    assert found == made - {"sources_by_name", "snapshots_by_source"}


WRITINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "upper case": str.upper,
    "mixed case": lambda identifier: identifier[:18].upper() + identifier[18:],
    "in braces": lambda identifier: f"{{{identifier}}}",
    "upper case in braces": lambda identifier: f"{{{identifier.upper()}}}",
    "no dashes": lambda identifier: identifier.replace("-", ""),
    "upper case without dashes": lambda identifier: identifier.replace("-", "").upper(),
}


@pytest.mark.parametrize("write", WRITINGS.values(), ids=WRITINGS)
@pytest.mark.parametrize("ask", [str, str.upper], ids=["asked for as it is", "asked for in upper case"])
def test_an_id_is_the_same_in_any_writing(
    store: SqliteStore, tables: EmbeddedTables, write: Callable[[str], str], ask: Callable[[str], str]
) -> None:
    """What is listed can be loaded, run, stored and marked, whoever wrote the ids of source and user."""
    source, user = SOURCE.replace("1", "a"), NOBODY.replace("0", "c")
    tables.add_source(write(source), user_id=write(user))
    tables.add_estimates(write(source), 3)
    assert user in store.users()
    for rows in (
        [row.source for row in store.list_sources(ask(user), SourceQuery()).rows],
        [each.source for each in store.records(ask(user), status="bucketed", after="", limit=9)],
    ):
        assert [(row.source_id, row.user_id) for row in rows] == [(source, user)]
    assert store.records(user, status="bucketed", after=source, limit=9) == []
    loaded = some(store.load(ask(source), ask(user)))
    assert (loaded.source.source_id, loaded.estimate_rows) == (source, 3)

    made = example_snapshot(source_id=source, user_id=user)
    store.save_snapshot(made)
    store.save_snapshot(made)
    assert tables.run("select source_id, user_id from snapshots") == [(write(source), write(user))]
    assert store.mark_generated(ask(source), ask(user))
    assert tables.status(write(source)) == "snapshot_generated"
    assert newest(store, ask(source), ask(user)) == store.get_snapshot(ask(SNAPSHOT), ask(user)) == made
    (row,) = store.list_snapshots(ask(user), source_id=ask(source)).rows
    assert (row.snapshot_id, row.source_id, row.source_name) == (SNAPSHOT, source, "A source")
    assert store.list_sources(user, SourceQuery()).rows[0].snapshot_id == SNAPSHOT

    for other in (USER, "", "nobody", "{}", "-"):
        assert store.load(source, other) is store.get_snapshot(SNAPSHOT, other) is None
        assert store.list_snapshots(other).total == 0
        assert not store.mark_generated(source, other)


@pytest.mark.parametrize("write", WRITINGS.values(), ids=WRITINGS)
def test_a_snapshots_ids_in_any_writing(
    store: SqliteStore, tables: EmbeddedTables, write: Callable[[str], str]
) -> None:
    """Another program's snapshot is found and agrees with its row, in whatever writing each of its ids is."""
    snapshot_id, source = SNAPSHOT.replace("1", "a"), SOURCE.replace("1", "a")
    tables.add_source(source, user_id=NOBODY)
    made = example_snapshot(snapshot_id, write(source), NOBODY)
    tables.run(
        "insert into snapshots values (?, ?, ?, 35, 'low', ?, ?)",
        *(write(snapshot_id), source, write(NOBODY), made.result.model_dump_json(), made.generated_at),
    )
    found = some(store.get_snapshot(snapshot_id, NOBODY))
    assert (found.snapshot_id, found.source_id, found.user_id) == (snapshot_id, source, NOBODY)
    assert newest(store, source, NOBODY) == found
    assert [row.snapshot_id for row in store.list_snapshots(NOBODY, source_id=source).rows] == [snapshot_id]


@pytest.mark.parametrize("identifier", ["", "1", "me", "z" * 32, SOURCE + "0", f"urn:{SOURCE}", " " + SOURCE])
def test_a_source_without_an_id_is_not_listed(
    store: SqliteStore, tables: EmbeddedTables, identifier: str
) -> None:
    """Nobody could ask for it: a batch that takes it would pay for what is then not found."""
    tables.add_source(identifier, user_id=NOBODY)
    assert store.list_sources(NOBODY, SourceQuery()) == SourcePage(rows=(), total=0)
    assert store.records(NOBODY, status="bucketed", after="", limit=9) == []
    assert store.load(identifier, NOBODY) is None


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("2026-11-22T10:00:00Z", "2026-11-22T10:00:00.500Z"),
        ("2026-11-22T10:00:00.123456Z", "2026-11-22T10:00:00.5Z"),
        ("2026-11-22T10:00:00.5+00:00", "2026-11-22T10:00:01Z"),
        ("2026-11-22 10:00:00", "2026-11-22T10:00:00.001Z"),
        ("2026-11-22T10:00:00+00:00", "2026-11-22 10:00:00.25"),
        ("2026-11-22T11:30:00.250+02:00", "2026-11-22T10:00:00Z"),
        ("2026-11-22T10:00:00Z", "2026-11-22T05:30:00.5-05:00"),
    ],
)
def test_the_newest_by_its_moment(store: SqliteStore, tables: EmbeddedTables, older: str, newer: str) -> None:
    """A time counts with its fraction, however another program wrote it; ids decide among equal times."""
    tables.add_source(SOURCE, user_id=NOBODY)
    ids = ("f" + SNAPSHOT[1:], "0" + SNAPSHOT[1:])
    for identifier, at in zip(ids, (older, newer), strict=True):
        result = example_snapshot(identifier, SOURCE, NOBODY).result.model_dump_json()
        tables.run(
            "insert into snapshots values (?, ?, ?, 35, 'low', ?, ?)",
            *(identifier, SOURCE, NOBODY, result, at),
        )
    assert [row.snapshot_id for row in store.list_snapshots(NOBODY).rows] == [*ids[::-1]]
    assert store.list_sources(NOBODY, SourceQuery()).rows[0].snapshot_id == ids[1]
    assert some(newest(store, SOURCE, NOBODY)).snapshot_id == ids[1]


@pytest.mark.parametrize("source_id", [None, SOURCE], ids=["of all", "of one source"])
def test_the_history_reads_indexes_alone(store: SqliteStore, source_id: str | None) -> None:
    """What is counted and put in order never touches the results, however many there are."""
    said: list[str] = []

    def note(
        _connection: object, cursor: sqlite3.Cursor, statement: str, parameters: object, *_: object
    ) -> None:
        if statement.lstrip().upper().startswith(("SELECT", "WITH")):
            plan = cursor.connection.execute(f"explain query plan {statement}", parameters)  # pyright: ignore[reportArgumentType] -- as they were given
            said.extend(str(row[3]) for row in plan)

    engine = store._database._engine  # pyright: ignore[reportPrivateUsage] -- to see what is asked of it
    event.listen(engine, "before_cursor_execute", note)
    store.list_snapshots(USER, source_id=source_id)
    ours = [step for step in said if "snapshots" in step]
    assert ours
    assert all("COVERING INDEX" in step or "sqlite_autoindex" in step for step in ours), ours
    assert said.count("USE TEMP B-TREE FOR ORDER BY") == 1  # of the page's few rows


# -- the order of names, kept between writes ------------------------------------------------------------

FIRST, SECOND, THIRD = (SOURCE.replace("1", digit) for digit in "345")


@pytest.fixture
def three(tables: EmbeddedTables) -> EmbeddedTables:
    """The tables, with three sources of one user."""
    for source_id, name in ((FIRST, "apple"), (SECOND, "Birne"), (THIRD, "\u00c4pfel")):
        tables.add_source(source_id, user_id=NOBODY, name=name)
    return tables


def listed(store: SqliteStore, query: SourceQuery | None = None) -> tuple[list[str], int]:
    """The names of a page, and the total."""
    page = store.list_sources(NOBODY, query or SourceQuery())
    return [row.source.source_name for row in page.rows], page.total


@pytest.mark.parametrize(
    ("statement", "names"),
    [
        pytest.param(
            "update sources set source_name = 'zebra' where id = ?",
            ["\u00c4pfel", "Birne", "zebra"],
            id="renamed",
        ),
        pytest.param(
            "delete from estimate_buckets where source_id = ?", ["\u00c4pfel", "Birne"], id="without buckets"
        ),
        pytest.param(
            "update sources set user_id = 'nobody' where id = ?", ["\u00c4pfel", "Birne"], id="given away"
        ),
        pytest.param(
            "update sources set source_name = x'ff00' where id = ?",
            ["", "\u00c4pfel", "Birne"],
            id="bytes for a name",
        ),
        pytest.param(
            "update sources set source_name = cast(x'7aff' as text) where id = ?",
            ["\u00c4pfel", "Birne", "z\ufffd"],
            id="no UTF-8",
        ),
    ],
)
def test_a_list_follows_what_others_write(
    store: SqliteStore, three: EmbeddedTables, statement: str, names: list[str]
) -> None:
    """The order is kept from list to list, and no longer than the file stays as it is."""
    assert listed(store) == (["\u00c4pfel", "apple", "Birne"], 3)
    three.run(statement, FIRST)
    assert listed(store) == (names, len(names))


def test_a_list_follows_its_own_writes(store: SqliteStore, three: EmbeddedTables) -> None:  # noqa: ARG001 -- it adds sources
    """A source that got its snapshot is found by its new status at once."""
    bucketed = SourceQuery(status="bucketed")
    assert listed(store, bucketed)[1] == 3
    assert store.mark_generated(FIRST, NOBODY)
    assert listed(store, bucketed) == (["\u00c4pfel", "Birne"], 2)
    assert listed(store, SourceQuery(status="snapshot_generated")) == (["apple"], 1)


def test_equal_names_stay_in_the_order_of_ids(store: SqliteStore, three: EmbeddedTables) -> None:
    """In both directions, so that no page repeats or lacks a source."""
    three.run("update sources set source_name = 'same' where user_id = ?", NOBODY)
    for descending in (False, True):
        query = SourceQuery(descending=descending, limit=2)
        ids = [row.source.source_id for row in store.list_sources(NOBODY, query).rows]
        rest = store.list_sources(NOBODY, query.model_copy(update={"offset": 2})).rows
        assert [*ids, *(row.source.source_id for row in rest)] == [FIRST, SECOND, THIRD]


def test_a_list_is_put_in_order_once(store: SqliteStore, three: EmbeddedTables) -> None:
    """Other pages, directions, searches and statuses read no more than their own rows."""
    sorting: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if "json_group_array" in statement:
            sorting.append(statement)

    engine = store._database._engine  # pyright: ignore[reportPrivateUsage] -- to see what is asked of it
    event.listen(engine, "before_cursor_execute", note)
    assert listed(store, SourceQuery(search="A\u0308PFEL")) == (["\u00c4pfel"], 1)
    assert listed(store, SourceQuery(descending=True, limit=1)) == (["Birne"], 3)
    assert listed(store, SourceQuery(offset=1, limit=1, known_total=7)) == (["apple"], 7)
    assert listed(store, SourceQuery(status="ingested")) == ([], 0)
    assert len(sorting) == 1
    three.run("update sources set status = 'ingested' where id = ?", FIRST)
    assert listed(store, SourceQuery(status="ingested")) == (["apple"], 1)
    assert len(sorting) == 2
