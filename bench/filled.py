"""Data folders with very much in them: stores of many sources and snapshots, ledgers of many runs."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from subprocess import DEVNULL

from bench.environment import clean
from secondlook.stores.samples import PRACTICE_USERS
from secondlook.stores.sqlite import SqliteStore

SOURCES = 10_000
RUNS = 100_000

_DAYS = 90
_SOURCE = "printf('%08x-0000-4000-8000-000000000000', {})"
_RUN = "printf('%08x-0000-4000-8000-00000000000a', {})"
_REJECTED = '{"code":"answer_rejected","message":"No","hint":"","reason":"mismatch","path":"meta"}'
_NUMBERS = "with recursive counted(n) as (select 1 union all select n + 1 from counted where n < ?) "


def source_id(number: int) -> str:
    """The id of one of the many sources, counted from 1."""
    return f"{number:08x}-0000-4000-8000-000000000000"


def run_id(number: int) -> str:
    """The id of one of the many runs, counted from 1."""
    return f"{number:08x}-0000-4000-8000-00000000000a"


def fill_sources(folder: Path, number: int) -> None:
    """Add so many bucketed sources to the samples."""
    path = folder / "store.db"
    SqliteStore(path).close()
    user = PRACTICE_USERS[0]
    with closing(sqlite3.connect(path)) as connection, connection:
        taken = {"id": "printf('b%d', n)", "source_id": _SOURCE.format("n")}
        connection.execute(
            _NUMBERS + f"insert into sources select {_SOURCE.format('n')}, ?, 'csv', printf('Bulk %05d', n), "  # noqa: S608 -- our own expressions
            "'2026-01-05T08:00:00Z', 'bucketed' from counted",
            (number, user),
        )
        _copy(connection, "estimate_buckets", taken, number)


def fill_runs(folder: Path, number: int, *, sources: int = SOURCES) -> None:
    """Add so many runs of 90 days, and a snapshot of each source, made from one that really ran."""
    SqliteStore(folder / "store.db").close()
    with closing(sqlite3.connect(folder / "store.db")) as store:
        query = "select id from sources where status = 'bucketed' and user_id = ? limit 1"
        (sample,) = store.execute(query, [PRACTICE_USERS[0]]).fetchone()
    environment = clean(
        SECONDLOOK_DATA_DIR=str(folder), SECONDLOOK_AGENT="offline", SECONDLOOK_USER=PRACTICE_USERS[0]
    )
    command = [sys.executable, "-m", "secondlook", "snapshot", sample]
    subprocess.run(command, cwd=folder, env=environment, check=True, stdout=DEVNULL, stderr=DEVNULL)
    with closing(sqlite3.connect(folder / "ledger.db")) as ledger, ledger:
        taken = {
            "run_id": _RUN.format("n"),
            "source_id": _SOURCE.format(f"1 + n % {sources}"),
            "created_at": f"created_at - n * {_DAYS} * 86400.0 / {number}",
            "sent_at": f"sent_at - n * {_DAYS} * 86400.0 / {number}",
        }
        _copy(ledger, "runs", {**taken, "number": "n"}, number)
        _copy(ledger, "calls", taken, number)
        ledger.execute(
            "update runs set status = 'failed', error_code = 'answer_rejected', error = ? "
            "where number % 20 = 0",
            (_REJECTED,),
        )
    with closing(sqlite3.connect(folder / "store.db")) as store, store:
        id_, source = _RUN.format("n"), _SOURCE.format(f"1 + n % {sources}")
        result = f"json_set(result, '$.meta.snapshot_id', {id_}, '$.meta.source_id', {source})"
        _copy(store, "snapshots", {"id": id_, "source_id": source, "result": result}, min(sources, number))


def _copy(connection: sqlite3.Connection, table: str, made: dict[str, str], number: int) -> None:
    """So many copies of a table's first row, with other values where they are made."""
    columns: list[str] = [row[1] for row in connection.execute(f"pragma table_info({table})")]
    taken = ", ".join(made.get(column, column) for column in columns)
    connection.execute(
        f"{_NUMBERS} insert into {table} select {taken} from counted, (select * from {table} limit 1)",  # noqa: S608 -- the table's own columns
        (number,),
    )
