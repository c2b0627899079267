"""Engines for the project's databases and the ordered migrations of its own one, the ledger's."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DisconnectionError, SQLAlchemyError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.pool import ConnectionPoolEntry

from secondlook.errors import SecondlookError

BUSY_SECONDS = 5
"""How long a writer waits for another process's write before it gives up."""

CONNECT_SECONDS = 5
"""How long a Postgres server may take to let in a connection."""

ABANDONED_SECONDS = 30
"""After this long without a word inside a transaction, Postgres takes its client for dead and lets go of
its locks: a carrier whose machine is gone must not keep others from its run."""

_MIGRATING = 0x5EC04D10
"""The advisory lock of whoever migrates; any number that no other program takes."""

_OUTSIDE = "outside"
"""The option of a connection that begins no transaction."""

Migration = tuple[str, Callable[[sa.Connection], None]]
"""A name, never used twice in one database, and what it does."""

T = TypeVar("T")


class now(sa.Function[float]):  # noqa: N801 -- read as SQL, like sqlalchemy.func.now
    """Seconds since 1970 by the database's clock, so that all who share it agree on leases."""

    inherit_cache = True

    def __init__(self) -> None:
        super().__init__("now", type_=sa.Double())


@compiles(now, "sqlite")
def _now_on_sqlite(_element: now, _compiler: object, **_options: object) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(now, "postgresql")
def _now_on_postgres(_element: now, _compiler: object, **_options: object) -> str:
    # Its own now() is the transaction's start: a lease would be as much shorter as its writer waited.
    return "cast(extract(epoch from clock_timestamp()) as double precision)"


def insert_new(connection: sa.Connection, table: sa.Table) -> sa.Insert:
    """An insert that does nothing where a row with one of its unique keys is there."""
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    return insert(table).on_conflict_do_nothing()


def take_turns(connection: sa.Connection, number: int) -> None:
    """Wait until no other transaction is in its turn; the turn ends with the transaction.

    On SQLite a transaction that may write has the whole file to itself.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(number)))


def sqlite_engine(
    path: Path,
    *,
    shared: bool = False,
    functions: Sequence[tuple[str, Callable[[str | None], str | None]]] = (),
) -> sa.Engine:
    """An engine on an SQLite file: write-ahead log, every durable commit on disk before it returns.

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
        options = connection.get_execution_options()
        if options.get(_OUTSIDE):
            return
        if options.get("read_only", False):
            connection.exec_driver_sql("begin")
            return
        # What is not flushed is not lost where this process dies, only where the machine does.
        flush = "full" if options.get("durable", True) else "normal"
        connection.exec_driver_sql(f"pragma synchronous={flush}")
        connection.exec_driver_sql("begin immediate")

    return engine


def postgres_engine(url: str) -> sa.Engine:
    """An engine on a Postgres database, directly or through a pooler in any mode.

    What only reads sees one moment and can write nothing. What may write is READ COMMITTED: an update that
    waited for another looks at its conditions again, which is what a compare-and-set needs.

    Args:
        url: postgresql://user:password@host:5432/database; its query goes to libpq.

    Raises:
        ValueError: It is not such a URL. The message has no part of it.
    """
    engine = sa.create_engine(
        _postgres_url(url),
        connect_args={
            "autocommit": True,  # transactions begin below
            "connect_timeout": CONNECT_SECONDS,
            "client_encoding": "utf8",
            "fallback_application_name": "secondlook",
            "prepare_threshold": None,  # a pooler may give each transaction another session
            # A server that went without a word is found gone before the lease is over.
            "keepalives_idle": 5,
            "keepalives_interval": 2,
            "keepalives_count": 3,
            "tcp_user_timeout": 10_000,
        },
        use_native_hstore=False,
        hide_parameters=True,  # parameters would put answers into exception texts
        pool_pre_ping=True,
        # Connections are held for milliseconds: enough for each carrier, its call and its heart at once.
        pool_size=8,
        max_overflow=16,
        pool_timeout=BUSY_SECONDS,
    )

    @event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        options = connection.get_execution_options()
        if options.get(_OUTSIDE):
            return
        read_only = options.get("read_only", False)
        mode = "repeatable read, read only" if read_only else "read committed"
        soft = "" if read_only or options.get("durable", True) else "; set local synchronous_commit = off"
        # In one message. Not as options of the connection: poolers refuse them, or lose them.
        connection.exec_driver_sql(
            f"begin isolation level {mode}; "
            f"set local lock_timeout = {int(BUSY_SECONDS * 1000)}; "
            f"set local idle_in_transaction_session_timeout = {ABANDONED_SECONDS * 1000}{soft}"
        )

    return engine


def _postgres_url(url: str) -> sa.URL:
    try:
        parsed = sa.make_url(url)
    except (ArgumentError, ValueError):
        parsed = None  # the errors may quote a part of the password
    if parsed is None or parsed.drivername not in {"postgres", "postgresql"}:
        raise ValueError("its URL is not of the form postgresql://user:password@host:5432/database")
    if "@" in f"{parsed.host}{parsed.database}":
        # A part of the password would be taken for the host, and named where it is not found.
        raise ValueError("a character of its URL's password has to be escaped: @ is written %40")
    return parsed.set(drivername="postgresql+psycopg")


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

    Several modules may keep their tables in one, each with migrations of its own.

    Args:
        engine: Where it is.
        unavailable: Makes the error of a failed transaction out of the driver's own words.
    """

    def __init__(self, engine: sa.Engine, unavailable: Callable[[str], SecondlookError]) -> None:
        self._engine = engine
        self._reader = engine.execution_options(read_only=True)
        self._soft = engine.execution_options(durable=False)
        self._unavailable = unavailable
        self._turn = threading.Lock() if engine.dialect.name == "sqlite" else None

    def read(self, work: Callable[[sa.Connection], T]) -> T:
        """Run a reading transaction."""
        return self._guard(self._reader.connect, work)

    def write(self, work: Callable[[sa.Connection], T]) -> T:
        """Run a transaction that may write."""
        with self._in_turn():
            return self._guard(self._engine.begin, work)

    def write_soft(self, work: Callable[[sa.Connection], T]) -> T:
        """Run a writing transaction that a machine's power cut may undo, with all soft ones after it.

        It is never undone alone: what a later durable transaction has written stands on it.
        """
        with self._in_turn():
            return self._guard(self._soft.begin, work)

    def migrate(self, migrations: Sequence[Migration]) -> None:
        """Apply, in their order, the migrations that this database has not seen. They are append-only.

        Two processes may start at once: the second waits for the first's transaction and finds it done.
        """
        if not self.read(lambda connection: _unseen(connection, migrations)):
            return

        def apply(connection: sa.Connection) -> None:
            take_turns(connection, _MIGRATING)
            _applied.create(connection, checkfirst=True)
            for name, change in _unseen(connection, migrations):
                change(connection)
                connection.execute(sa.insert(_applied).values(name=name, applied_at=now()))

        self.write(apply)

    def let_go(self, *tables: str) -> None:
        """Let what was erased from these tables not stay behind in the log, or as dead rows."""

        def clean(connection: sa.Connection) -> None:
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql(f"vacuum {', '.join(tables)}")
            else:
                connection.exec_driver_sql("pragma wal_checkpoint(truncate)").all()

        self._guard(self._engine.execution_options(**{_OUTSIDE: True}).connect, clean)

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    @contextmanager
    def _in_turn(self) -> Generator[None]:
        """Let one thread write at a time where the database would: SQLite itself would have the rest poll."""
        if self._turn is None:
            yield
            return
        if not self._turn.acquire(timeout=BUSY_SECONDS):
            raise self._unavailable("database is locked")
        try:
            yield
        finally:
            self._turn.release()

    def _guard(
        self, open_: Callable[[], AbstractContextManager[sa.Connection]], work: Callable[[sa.Connection], T]
    ) -> T:
        try:
            with open_() as connection:
                return work(connection)
        except SQLAlchemyError as error:
            raise self._unavailable(_words(error)) from None


def _words(error: SQLAlchemyError) -> str:
    """The driver's own words, in one line; parameters are never among them."""
    cause: Any = getattr(error, "orig", None)
    # Of a value that it cannot take (class 22), Postgres quotes the value.
    if cause is None or (getattr(cause, "sqlstate", None) or "").startswith("22"):
        return type(cause or error).__name__
    return (str(cause).splitlines() or [type(cause).__name__])[0][:200]


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
