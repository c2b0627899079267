"""The wall clock, which somebody may set back: what was to last for seconds must not last for an hour then.

Leases, waits and rates stand in the ledger as moments of the database's clock, which all who share it agree
on. Whoever executes runs notes now and then how late it is. Where it is earlier than that, every moment still
to come is brought forward by as much; at the most it then lasts longer by the time between two notes.
"""

from __future__ import annotations

import sqlalchemy as sa

from secondlook.connections.database import Database, now
from secondlook.ledger.tables import batches, clocks, deliveries, pace, runs

_NOTED_SECONDS = 5.0
_SLACK_SECONDS = 2.0  # what daily corrections take back is waited for

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
    """See whether the clock was set back, and put right what stands on it.

    Raises:
        LedgerUnavailable: The ledger cannot be read or written.
    """
    noted_at, clock = database.read(lambda connection: connection.execute(_NOTED).one())
    if not noted_at - _SLACK_SECONDS <= clock < noted_at + _NOTED_SECONDS:
        database.write_soft(_put_right)


def _put_right(connection: sa.Connection) -> None:
    # Held: of several who see it, one brings the moments forward.
    noted_at, clock = connection.execute(_NOTED.with_for_update()).one()
    connection.execute(sa.update(clocks).values(noted_at=clock))
    back = noted_at - clock
    if back > _SLACK_SECONDS:
        for moment in _MOMENTS:
            connection.execute(
                sa.update(moment.table).where(moment > clock).values({moment.name: moment - back})
            )
