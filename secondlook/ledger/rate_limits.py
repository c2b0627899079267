"""A provider's rate limits, shared by all processes on a ledger."""

from __future__ import annotations

import sqlalchemy as sa

from secondlook.connections.database import insert_new, now
from secondlook.domain.answers import RateLimits
from secondlook.ledger.tables import pace, runs


def hold(connection: sa.Connection, agent: str, seconds: float) -> None:
    """How long no further batch run starts after the provider refused a request."""
    later = now() + seconds
    _there(connection, agent)
    connection.execute(
        sa.update(pace).where(pace.c.agent == agent, pace.c.hold_until < later).values(hold_until=later)
    )


def note_limits(connection: sa.Connection, run_id: str, limits: RateLimits) -> None:
    """Store the limits that an answer announced; if no request is left, no run starts until the reset."""
    agent = connection.scalar(sa.select(runs.c.agent).where(runs.c.run_id == run_id))
    if agent is None:
        return
    _there(connection, agent)
    waits = [
        reset
        for left, reset in ((limits.requests, limits.requests_reset), (limits.tokens, limits.tokens_reset))
        if left == 0
    ]
    values: dict[str, object] = {
        "requests": limits.requests,
        "requests_reset_at": now() + limits.requests_reset,
    }
    connection.execute(sa.update(pace).where(pace.c.agent == agent).values(values))
    if waits:
        hold(connection, agent, max(waits))


def room(connection: sa.Connection, most: int) -> int:
    """Take up to that many requests from the provider's remaining ones, and return how many may start now."""
    for row in connection.execute(_PACE):
        if row.hold_until > row.now:
            return 0
        if row.requests is not None and row.requests_reset_at > row.now:
            most = min(most, row.requests)
    return most


def take(connection: sa.Connection, number: int) -> None:
    """Subtract started requests from the provider's remaining ones."""
    connection.execute(_TAKE, {"taken": number})


_PACE = sa.select(pace, now().label("now"))
_taken = sa.bindparam("taken", type_=sa.BigInteger)
_TAKE = (
    sa.update(pace)
    .where(pace.c.requests.is_not(None))
    .values(requests=sa.case((pace.c.requests > _taken, pace.c.requests - _taken), else_=0))
)


def _there(connection: sa.Connection, agent: str) -> None:
    connection.execute(
        insert_new(connection.dialect.name, pace).values(agent=agent, requests_reset_at=0.0, hold_until=0.0)
    )
