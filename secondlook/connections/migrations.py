"""Brings a database up to date: named migrations, applied once and in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import sqlalchemy as sa

from secondlook.connections.database import Database, now, queue_writes

_MIGRATING = 0x5EC04D10
"""The key of the advisory lock for migrations; any number that no other program uses."""

Migration = tuple[str, Callable[[sa.Connection], None]]
"""A name, never used twice in one database, and what it does."""

_applied = sa.Table(
    "migrations",
    sa.MetaData(),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("applied_at", sa.Double, nullable=False),
)


def migrate(database: Database, migrations: Sequence[Migration]) -> None:
    """Apply, in order, the migrations that this database does not have yet. They are append-only.

    Several modules may keep their tables in one database, each with migrations of its own. Two processes may
    start at once: the second waits for the first's transaction and finds it done.
    """

    def unseen(connection: sa.Connection) -> list[Migration]:
        seen = applied(connection)
        return [migration for migration in migrations if migration[0] not in seen]

    if not database.read(unseen):
        return

    def apply(connection: sa.Connection) -> None:
        queue_writes(connection, _MIGRATING)
        _applied.create(connection, checkfirst=True)
        for name, change in unseen(connection):
            change(connection)
            connection.execute(sa.insert(_applied).values(name=name, applied_at=now()))

    database.write(apply)


def applied(connection: sa.Connection) -> set[str]:
    """The names of the migrations that a database has."""
    if not sa.inspect(connection).has_table(_applied.name):
        return set()
    return set(connection.scalars(sa.select(_applied.c.name)))
