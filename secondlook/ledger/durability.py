"""Checks that what is written to the ledger is kept."""

from __future__ import annotations

import shutil
from pathlib import Path

import sqlalchemy as sa

from secondlook.errors import LedgerUnavailable
from secondlook.ledger.tables import runs

MIN_FREE_BYTES = 16 * 1024 * 1024
"""Nothing is sent with less than this free on the ledger's disk: the answer could not be kept."""


def check_room(folder: Path | None) -> None:
    """Check that an embedded ledger's disk has room for answers; None is no embedded one.

    Raises:
        LedgerUnavailable: It has not, or cannot be used.
    """
    if folder is None:
        return
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise LedgerUnavailable(f"The ledger's folder cannot be used: {error.strerror}") from None
    if free < MIN_FREE_BYTES:
        raise LedgerUnavailable(
            f"The ledger's disk has less than {MIN_FREE_BYTES // 2**20} MiB free; nothing was sent"
        )


def check_durable(connection: sa.Connection) -> None:
    """Check, in a writing transaction, that it can write, and that its commit outlives a power cut.

    Raises:
        LedgerUnavailable: It does not.
    """
    connection.execute(sa.update(runs).where(sa.false()).values(status=runs.c.status))
    if connection.dialect.name != "postgresql":
        return
    if connection.exec_driver_sql("show synchronous_commit").scalar_one() == "off":
        raise LedgerUnavailable(
            "The ledger cannot be used: its synchronous_commit is off, "
            "an answer would not survive a power cut",
            hint="Set synchronous_commit to on for its database or role, then try again.",
        )
