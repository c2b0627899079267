"""Handles a wall clock that is set back, so that a lease of seconds does not last for an hour.

The ledger stores leases, waits and rates as times of the database's clock, which all processes share. Each
process that executes runs periodically records the time. If the clock is behind the recorded time, every
future time is made earlier by the difference. A wait is then too long by at most the time between records.
"""

from __future__ import annotations

import sqlalchemy as sa

from secondlook.connections.database import Database, now
from secondlook.ledger.tables import batches, clocks, deliveries, pace, runs

_NOTED_SECONDS = 5.0
_SLACK_SECONDS = 2.0  # small daily corrections are ignored

_MOMENTS = (
    runs.c.lease_until,
    runs.c.due_at,
    batches.c.next_at,
    pace.c.hold_until,
    pace.c.requests_reset_at,
    deliveries.c.lease_until,
    deliveries.c.due_at,
)

_NOTED = sa.select(clocks.c.noted_at, now().label("now"))


def mind(database: Database) -> None:
    """Detect whether the clock was set back, and correct the stored times.

    Raises:
        LedgerUnavailable: The ledger cannot be read or written.
    """
    noted_at, clock = database.read(lambda connection: connection.execute(_NOTED).one())
    if not noted_at - _SLACK_SECONDS <= clock < noted_at + _NOTED_SECONDS:
        database.write_soft(_put_right)


def _put_right(connection: sa.Connection) -> None:
    # Locked: if several processes detect it, only one moves the times.
    noted_at, clock = connection.execute(_NOTED.with_for_update()).one()
    connection.execute(sa.update(clocks).values(noted_at=clock))
    back = noted_at - clock
    if back > _SLACK_SECONDS:
        for moment in _MOMENTS:
            connection.execute(
                sa.update(moment.table).where(moment > clock).values({moment.name: moment - back})
            )
