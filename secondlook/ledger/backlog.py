"""How many runs wait for somebody to execute them, and since when."""

from __future__ import annotations

import sqlalchemy as sa

from secondlook.connections.database import Database, now
from secondlook.domain.runs import RunStatus
from secondlook.ledger.tables import runs
from secondlook.telemetry.tracing import Backlog

_DUE = sa.select(sa.func.count(), sa.func.max(now() - runs.c.created_at)).where(
    runs.c.status == RunStatus.QUEUED, sa.func.coalesce(runs.c.due_at, 0) <= now()
)
_ALIVE = sa.text(
    "select count(*) from procrastinate_workers where last_heartbeat > now() - interval '30 seconds'"
)


def look_at_backlog(database: Database) -> Backlog:
    """Count the runs that are due, and on Postgres the workers that are alive.

    Args:
        database: The ledger's.
    """

    def look(connection: sa.Connection) -> Backlog:
        queued, oldest = connection.execute(_DUE).one()
        workers = None
        if connection.dialect.name == "postgresql" and sa.inspect(connection).has_table(
            "procrastinate_workers"
        ):
            workers = connection.scalar(_ALIVE)
        return Backlog(queued, max(0.0, oldest or 0.0), workers)

    return database.read(look)
