"""Engines for the project's databases, and transactions in them."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal, TypeVar

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import ArgumentError, DisconnectionError, SQLAlchemyError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.pool import ConnectionPoolEntry

from secondlook.connections.file_watch import Watch, file_identity
from secondlook.connections.write_priority import WritePriority, WriteQueue
from secondlook.errors import SecondlookError

BUSY_SECONDS = 5
"""How long a writer waits for another process's write before it fails."""

CONNECT_SECONDS = 5
"""How long a Postgres server may take to accept a connection."""

ABANDONED_SECONDS = 30
"""After this long idle in a transaction, Postgres ends the session and releases its locks: an owner whose
machine is gone must not block its run."""

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


def insert_new(dialect: str, table: sa.Table) -> sa.Insert:
    """An insert in the database's dialect that does nothing on a key conflict."""
    if dialect == "postgresql":
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(table).on_conflict_do_nothing()
    return sqlite.insert(table).on_conflict_do_nothing()


def queue_writes(connection: sa.Connection, number: int) -> None:
    """Take a lock that this transaction holds until it ends.

    On SQLite a transaction that may write has the whole file to itself.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(number)))


def private_file(path: Path, unavailable: Callable[[str], SecondlookError]) -> Path:
    """A file in the data folder. Both are created if missing, readable only by their owner.

    Args:
        path: The file.
        unavailable: Makes the error where its folder cannot be made.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise unavailable(f"SECONDLOOK_DATA_DIR {path.parent} cannot be used: {error.strerror}") from None
    with suppress(OSError):  # opening it as a database reports the reason
        os.close(os.open(path, os.O_CREAT | os.O_RDONLY, 0o600))
    return path


def sqlite_engine(path: Path, *, shared: bool = False) -> sa.Engine:
    """An engine on an SQLite file: write-ahead log, every durable commit on disk before it returns.

    A transaction that may write takes the write lock at its start: upgrading later would fail at once
    where another process wrote in between, instead of waiting.

    Args:
        path: The file; made at the first connection.
        shared: Whether other programs write to it too: what is no UTF-8 is then read all the same.
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

    @event.listens_for(engine, "checkout")
    def _still_there(_connection: sqlite3.Connection, entry: ConnectionPoolEntry, _proxy: object) -> None:
        # Writes to a file that was replaced or deleted while open would be lost.
        identity = file_identity(path)
        if entry.info.setdefault("identity", identity) != identity:
            raise DisconnectionError

    return engine


def postgres_engine(url: str) -> sa.Engine:
    """An engine on a Postgres database, directly or through a pooler in any mode.

    Reading transactions see one snapshot and cannot write. Writing ones are READ COMMITTED: an update that
    waited for another checks its conditions again, as a compare-and-set needs.

    Args:
        url: postgresql://user:password@host:5432/database; its query goes to libpq.

    Raises:
        ValueError: It is not such a URL. The message has no part of it.
    """
    return sa.create_engine(
        _postgres_url(url),
        connect_args={
            "autocommit": True,  # transactions begin below
            "connect_timeout": CONNECT_SECONDS,
            "client_encoding": "utf8",
            "fallback_application_name": "secondlook",
            "prepare_threshold": None,  # a pooler may give each transaction another session
            # A server that disappeared is noticed before the lease expires.
            "keepalives_idle": 5,
            "keepalives_interval": 2,
            "keepalives_count": 3,
            "tcp_user_timeout": 10_000,
        },
        use_native_hstore=False,
        hide_parameters=True,  # parameters would put answers into exception texts
        pool_pre_ping=True,
        # Connections are held for milliseconds, so this is enough for all runs, calls and leases.
        pool_size=8,
        max_overflow=16,
        pool_timeout=BUSY_SECONDS,
    )


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


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Switch to the write-ahead log; SQLite's own busy timeout does not apply here."""
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


Kind = Literal["read", "durable", "soft"]
"""The kind of a transaction: it reads, it is on disk when it ends, or it gets there later (soft)."""


def _begin_on_sqlite(connection: sa.Connection, kind: Kind) -> None:
    # Directly through the driver: SQLAlchemy's overhead is ten times the time of such small statements.
    driver: Any = connection.connection.driver_connection
    if kind == "read":
        driver.execute("begin")
        return
    # Unflushed commits survive a crash of this process, not one of the machine.
    flush = "full" if kind == "durable" else "normal"
    if connection.info.get("flush") != flush:
        driver.execute(f"pragma synchronous={flush}")
        connection.info["flush"] = flush
    driver.execute("begin immediate")


def _begin_on_postgres(connection: sa.Connection, kind: Kind) -> None:
    mode = "repeatable read, read only" if kind == "read" else "read committed"
    soft = "; set local synchronous_commit = off" if kind == "soft" else ""
    # In one message. Not as options of the connection: poolers refuse them, or lose them.
    connection.exec_driver_sql(
        f"begin isolation level {mode}; "
        f"set local lock_timeout = {int(BUSY_SECONDS * 1000)}; "
        f"set local idle_in_transaction_session_timeout = {ABANDONED_SECONDS * 1000}{soft}"
    )


# Not as event listeners of the engine: those make SQLAlchemy slower on every statement.
_BEGIN: Mapping[str, Callable[[sa.Connection, Kind], None]] = {
    "sqlite": _begin_on_sqlite,
    "postgresql": _begin_on_postgres,
}


_SNAPSHOT = sa.text("select pg_current_snapshot()::text")
"""Which transactions of Postgres are seen; one that writes has a number of its own."""


class Database:
    """A database that runs whole transactions and raises one kind of error.

    Args:
        engine: Where it is.
        unavailable: Makes the error of a failed transaction out of the driver's own words.
    """

    def __init__(self, engine: sa.Engine, unavailable: Callable[[str], SecondlookError]) -> None:
        self._engine = engine
        self._begin = _BEGIN[engine.dialect.name]
        self._unavailable = unavailable
        self._turns = WriteQueue() if engine.dialect.name == "sqlite" else None
        self._watch = None if self._turns is None else Watch(Path(str(engine.url.database)), BUSY_SECONDS)

    def read(self, work: Callable[[sa.Connection], T]) -> T:
        """Run a reading transaction."""
        return self._guard("read", work)

    def write(self, work: Callable[[sa.Connection], T], turn: WritePriority = WritePriority.USUAL) -> T:
        """Run a transaction that may write."""
        with self._in_turn(turn):
            return self._guard("durable", work)

    def write_soft(self, work: Callable[[sa.Connection], T], turn: WritePriority = WritePriority.USUAL) -> T:
        """Run a writing transaction that a power cut may undo, together with all soft ones after it.

        A later durable transaction makes it durable too.
        """
        with self._in_turn(turn):
            return self._guard("soft", work)

    def write_staged(
        self,
        stage: Callable[[sa.Connection], None],
        work: Callable[[sa.Connection], T],
        turn: WritePriority = WritePriority.USUAL,
    ) -> T:
        """Fill temporary tables of one connection, then run a transaction on it that may write.

        Only on SQLite, where the first part holds up no other writer, however long it takes. The temporary
        tables are gone at the end.
        """
        try:
            with self._engine.connect() as connection:
                try:
                    with connection.begin():
                        self._begin(connection, "read")
                        stage(connection)
                    with self._in_turn(turn), connection.begin():
                        self._begin(connection, "durable")
                        return work(connection)
                finally:
                    connection.invalidate()
        except (SQLAlchemyError, sqlite3.Error) as error:
            raise self._unavailable(_words(error)) from None

    def purge_log(self, *tables: str) -> None:
        """Remove what was erased from these tables from the log and from dead rows too."""

        def clean(connection: sa.Connection) -> None:
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql(f"vacuum {', '.join(tables)}")
            else:
                connection.exec_driver_sql("pragma wal_checkpoint(truncate)").all()

        self._guard(None, clean)

    def version(self) -> object:
        """A version that changes with every write by any process; equal versions mean equal contents."""
        if self._watch is None:
            return self.read(lambda connection: connection.scalar(_SNAPSHOT))
        try:
            return self._watch.version()
        except sqlite3.Error as error:
            raise self._unavailable(_words(error)) from None

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()
        if self._watch is not None:
            self._watch.close()

    @contextmanager
    def _in_turn(self, turn: WritePriority) -> Generator[None]:
        """On SQLite, let threads write one by one: SQLite itself would make the waiting ones poll."""
        if self._turns is None:
            yield
            return
        if not self._turns.take(turn, BUSY_SECONDS):
            raise self._unavailable("database is locked")
        try:
            yield
        finally:
            self._turns.give()

    def _guard(self, kind: Kind | None, work: Callable[[sa.Connection], T]) -> T:
        """Run a function in a transaction, or outside of one."""
        try:
            with self._engine.begin() as connection:
                if kind is not None:
                    self._begin(connection, kind)
                return work(connection)
        except (SQLAlchemyError, sqlite3.Error) as error:
            raise self._unavailable(_words(error)) from None


def _words(error: SQLAlchemyError | sqlite3.Error) -> str:
    """The driver's message in one line, without parameters."""
    cause: Any = error if isinstance(error, sqlite3.Error) else getattr(error, "orig", None)
    # Postgres quotes a value that it cannot store (class 22).
    if cause is None or (getattr(cause, "sqlstate", None) or "").startswith("22"):
        return type(cause or error).__name__
    return (str(cause).splitlines() or [type(cause).__name__])[0][:200]
