"""What a ledger needs when it is restored from a backup, or moved to another database."""

from __future__ import annotations

import sqlalchemy as sa

from secondlook.connections.database import Database
from secondlook.domain.runs import RunStatus
from secondlook.errors import InDoubt, LedgerUnavailable, RequestInvalid
from secondlook.ledger.rows import error_columns
from secondlook.ledger.tables import TABLES, batches, runs

_AT_ONCE = 500
"""Rows in one statement: a database takes some tens of thousands of parameters."""


def doubt_queued(database: Database, made_at: str) -> int:
    """Set the outcome of every queued run to unknown: it may have been sent and paid since the backup.

    A person decides about each, as about any unknown outcome.

    Args:
        database: The restored ledger's.
        made_at: When the backup was made, for the run's error.

    Returns:
        How many runs there are.
    """
    changed = (
        sa.update(runs)
        .where(runs.c.status == RunStatus.QUEUED)
        .values(
            status=RunStatus.IN_DOUBT,
            owner=None,
            lease_until=0,
            **error_columns(
                InDoubt(f"Restored from a backup of {made_at}: the run may have been sent after it was made")
            ),
        )
    )
    return database.write(lambda connection: connection.execute(changed).rowcount)


def copy_rows(old: Database, new: Database) -> dict[str, int]:
    """Copy every row of a ledger into an empty one, in one transaction, and read each back to compare it.

    Both are of this version. People sign in again: sessions stay behind.

    Args:
        old: The ledger to copy.
        new: The empty one.

    Returns:
        The rows of each table.

    Raises:
        RequestInvalid: The new ledger has runs or batches already.
        LedgerUnavailable: A row was not kept as it is, or a database failed. The new ledger is empty still.
    """

    def copy_all(reading: sa.Connection, writing: sa.Connection) -> dict[str, int]:
        if any(writing.execute(sa.select(table).limit(1)).first() for table in (runs, batches)):
            raise RequestInvalid(
                "The ledger is not empty", hint="Copy into a database that has no ledger yet."
            )
        return {table.name: _copy_table(table, reading, writing) for table in TABLES}

    return old.read(lambda reading: new.write(lambda writing: copy_all(reading, writing)))


def _copy_table(table: sa.Table, reading: sa.Connection, writing: sa.Connection) -> int:
    copied = 0
    writing.execute(sa.delete(table))  # migrations put first rows into some
    names = [column.name for column in table.primary_key.columns]
    key = sa.tuple_(*table.primary_key.columns)
    rows = reading.execution_options(yield_per=_AT_ONCE).execute(sa.select(table)).mappings()
    for part in rows.partitions():
        sent = {tuple(row[name] for name in names): dict(row) for row in part}
        writing.execute(sa.insert(table), list(sent.values()))
        came = writing.execute(sa.select(table).where(key.in_(sent))).mappings()
        if sent != {tuple(row[name] for name in names): dict(row) for row in came}:
            raise LedgerUnavailable(f"A row of {table.name} was not kept", hint="Nothing was copied.")
        copied += len(sent)
    return copied
