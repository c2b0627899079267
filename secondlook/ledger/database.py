"""Opens the ledger's database: an SQLite file or a Postgres database, migrated to this version."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from secondlook.connections.database import Database, postgres_engine, private_file, sqlite_engine
from secondlook.connections.migrations import Migration, applied, migrate
from secondlook.errors import LedgerUnavailable
from secondlook.ledger.migrations import MIGRATIONS

QUEUE = "procrastinate"
"""How the names of the migrations begin that `ledger.worker_queue` brings along."""


def ledger_database(where: Path | str, migrations: Sequence[Migration] = MIGRATIONS) -> Database:
    """The ledger's database, brought up to date.

    Args:
        where: An SQLite file, made where it does not exist, or a Postgres URL.
        migrations: Those that the database must have.

    Raises:
        LedgerUnavailable: It cannot be opened. No message holds a part of a URL that may be a password.
    """
    database = _connected(where)
    try:
        migrate(database, migrations)
        _refuse_later(database, migrations)
    except BaseException:
        database.close()
        raise
    return database


def _connected(where: Path | str) -> Database:
    if isinstance(where, Path):
        return Database(sqlite_engine(private_file(where, LedgerUnavailable)), _unavailable)

    def unavailable(cause: str) -> LedgerUnavailable:
        return _unavailable(cause, hint="See that its Postgres runs and lets this user in, then try again.")

    try:
        return Database(postgres_engine(where), unavailable)
    except ValueError as error:
        raise _unavailable(str(error), hint="Correct SECONDLOOK_LEDGER_URL.") from None


def _refuse_later(database: Database, migrations: Sequence[Migration]) -> None:
    known = {name for name, _ in migrations}
    later = [name for name in database.read(applied) if name not in known and not name.startswith(QUEUE)]
    if later:
        hint = "Use that version or a later one, or the backup from before the upgrade."
        raise _unavailable(f"a later version has changed it ({min(later)})", hint=hint)


def _unavailable(cause: str, *, hint: str | None = None) -> LedgerUnavailable:
    return LedgerUnavailable(f"The ledger cannot be used: {cause}", hint=hint)
