"""Engines for the project's databases and the ordered migrations of its own one, the ledger."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError, SQLAlchemyError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.pool import ConnectionPoolEntry

from secondlook.errors import SecondlookError

BUSY_SECONDS = 5
"""How long a writer waits for another process's write before it gives up."""

Migration = tuple[str, Callable[[sa.Connection], None]]
"""A name, never used twice, and what it does."""

T = TypeVar("T")


class now(sa.Function[float]):  # noqa: N801 -- read as SQL, like sqlalchemy.func.now
    """Seconds since 1970 by the database's clock, so that all who share it agree on leases."""

    inherit_cache = True

    def __init__(self) -> None:
        super().__init__("now", type_=sa.Double())


@compiles(now, "sqlite")
def _now_on_sqlite(_element: now, _compiler: object, **_options: object) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


def sqlite_engine(
    path: Path,
    *,
    shared: bool = False,
    functions: Sequence[tuple[str, Callable[[str | None], str | None]]] = (),
) -> sa.Engine:
    """An engine on an SQLite file: write-ahead log, every commit on disk before it returns.

    A transaction that may write takes the write lock at its start: upgrading later would fail at once
    where another process wrote in between, instead of waiting.

    Args:
        path: The file; made at the first connection.
        shared: Whether other programs write to it too: what is no UTF-8 is then read all the same.
        functions: SQL functions of one text argument, by name.
    """
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(path)),
        connect_args={"timeout": BUSY_SECONDS, "isolation_level": None},  # transactions begin below
        hide_parameters=True,  # parameters would put answers into exception texts
    )

    @event.listens_for(engine, "connect")
    def _pragmas(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
        if shared:
            connection.text_factory = _decoded
        _write_ahead(connection)
        connection.execute("pragma synchronous=full")
        connection.execute("pragma foreign_keys=on")
        for name, function in functions:
            connection.create_function(name, 1, function, deterministic=True)

    @event.listens_for(engine, "checkout")
    def _still_there(_connection: sqlite3.Connection, entry: ConnectionPoolEntry, _proxy: object) -> None:
        # A file that was replaced or deleted is not the one that is open: what is written there is lost.
        identity = _identity(path)
        if entry.info.setdefault("identity", identity) != identity:
            raise DisconnectionError

    @event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        read_only = connection.get_execution_options().get("read_only", False)
        connection.exec_driver_sql("begin" if read_only else "begin immediate")

    return engine


def _decoded(data: bytes) -> str:
    # The driver's own error would quote what it could not decode.
    return data.decode("utf-8", errors="replace")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


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


class Database:
    """A database as the layers above use it: whole transactions, and one kind of error.

    Args:
        engine: Where it is.
        unavailable: Makes the error of a failed transaction out of the driver's own words.
    """

    def __init__(self, engine: sa.Engine, unavailable: Callable[[str], SecondlookError]) -> None:
        self._engine = engine
        self._reader = engine.execution_options(read_only=True)
        self._unavailable = unavailable

    def read(self, work: Callable[[sa.Connection], T]) -> T:
        """Run a reading transaction."""
        return self._guard(self._reader.connect, work)

    def write(self, work: Callable[[sa.Connection], T]) -> T:
        """Run a transaction that may write."""
        return self._guard(self._engine.begin, work)

    def migrate(self, migrations: Sequence[Migration]) -> None:
        """Apply, in their order, the migrations that this database has not seen. They are append-only.

        Two processes may start at once: the second waits for the first's transaction and finds it done.
        """
        if not self.read(lambda connection: _unseen(connection, migrations)):
            return

        def apply(connection: sa.Connection) -> None:
            _applied.create(connection, checkfirst=True)
            for name, change in _unseen(connection, migrations):
                change(connection)
                connection.execute(sa.insert(_applied).values(name=name, applied_at=now()))

        self.write(apply)

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def _guard(
        self, open_: Callable[[], AbstractContextManager[sa.Connection]], work: Callable[[sa.Connection], T]
    ) -> T:
        try:
            with open_() as connection:
                return work(connection)
        except SQLAlchemyError as error:
            # The driver's own words, in one line; parameters are never among them.
            words = str(getattr(error, "orig", None) or type(error).__name__)
            raise self._unavailable(words.splitlines()[0][:200]) from None


_applied = sa.Table(
    "migrations",
    sa.MetaData(),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("applied_at", sa.Double, nullable=False),
)


def _unseen(connection: sa.Connection, migrations: Sequence[Migration]) -> list[Migration]:
    if not sa.inspect(connection).has_table(_applied.name):
        return list(migrations)
    seen = set(connection.scalars(sa.select(_applied.c.name)))
    return [migration for migration in migrations if migration[0] not in seen]
