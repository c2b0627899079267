"""Engines for the project's databases and the ordered migrations of its own one, the ledger."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.pool import ConnectionPoolEntry

READ = {"read_only": True}
"""Execution option of a connection that only reads: on SQLite it then takes no write lock."""

BUSY_SECONDS = 5
"""How long a writer waits for another process's write before it gives up."""


class now(sa.Function[float]):  # noqa: N801 -- read as SQL, like sqlalchemy.func.now
    """Seconds since 1970 by the database's clock, so that all who share it agree on leases."""

    inherit_cache = True

    def __init__(self) -> None:
        super().__init__("now", type_=sa.Double())


@compiles(now, "sqlite")
def _now_on_sqlite(_element: now, _compiler: object, **_options: object) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(now, "postgresql")
def _now_on_postgresql(_element: now, _compiler: object, **_options: object) -> str:
    return "extract(epoch from clock_timestamp())::double precision"


def sqlite_engine(
    path: Path, *, functions: Sequence[tuple[str, Callable[[str | None], str | None]]] = ()
) -> sa.Engine:
    """An engine on an SQLite file: write-ahead log, every commit on disk before it returns.

    A transaction that may write takes the write lock at its start: upgrading later would fail at once
    where another process wrote in between, instead of waiting.

    Args:
        path: The file; made at the first connection.
        functions: SQL functions of one text argument, by name.
    """
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(path)),
        connect_args={"timeout": BUSY_SECONDS, "isolation_level": None},  # transactions begin below
        hide_parameters=True,  # parameters would put answers into exception texts
    )

    @event.listens_for(engine, "connect")
    def _pragmas(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
        _write_ahead(connection)
        connection.execute("pragma synchronous=full")
        connection.execute("pragma foreign_keys=on")
        for name, function in functions:
            connection.create_function(name, 1, function, deterministic=True)

    @event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        read_only = connection.get_execution_options().get("read_only", False)
        connection.exec_driver_sql("begin" if read_only else "begin immediate")

    return engine


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Switch to the write-ahead log; SQLite itself does not wait here for another program's write."""
    give_up = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("pragma journal_mode=wal")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > give_up:
                raise
            time.sleep(0.02)
        else:
            return


Migration = tuple[str, Callable[[sa.Connection], None]]
"""A name, never used twice, and what it does."""


def migrate(engine: sa.Engine, migrations: Sequence[Migration]) -> None:
    """Apply, in their order, the migrations that this database has not seen. They are append-only.

    Two processes may start at once: the second waits for the first's transaction and finds it done.
    """
    applied = sa.Table(
        "migrations",
        sa.MetaData(),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("applied_at", sa.Double, nullable=False),
    )
    with engine.connect().execution_options(**READ) as connection:
        if sa.inspect(connection).has_table("migrations"):
            seen = set(connection.scalars(sa.select(applied.c.name)))
            if seen.issuperset(name for name, _ in migrations):
                return
    with engine.begin() as connection:
        applied.create(connection, checkfirst=True)
        seen = set(connection.scalars(sa.select(applied.c.name)))
        for name, apply in migrations:
            if name not in seen:
                apply(connection)
                connection.execute(sa.insert(applied).values(name=name, applied_at=now()))
