"""The outbox: the webhook's messages, written in the transaction that ends a run.

A message is sent at least once: a process claims it for a while, and if that process dies, another one
claims it.

Times are seconds since 1970 by the database's clock. Payloads are JSON text, sent unchanged.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, fields
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from secondlook.connections.database import Database, now
from secondlook.domain.runs import Run, RunStatus
from secondlook.ledger.rows import dump, iso, iso_or_none
from secondlook.ledger.tables import deliveries

LEASE_SECONDS = 60
"""How long a claim on a message lasts: several times what an attempt may take."""

DELAYS_SECONDS = (5, 30, 120, 600, 3600, 3 * 3600, 6 * 3600, 12 * 3600)
"""The wait after each failed attempt, about 22 hours in all; after one more a message is abandoned."""

_TOLD = (RunStatus.DONE, RunStatus.FAILED, RunStatus.IN_DOUBT)


@dataclass(frozen=True)
class Delivery:
    """A message and its delivery status.

    Attributes:
        id: The same at each attempt, so that receivers recognize duplicates.
        event: What has happened: run.done, run.failed or run.in_doubt.
        payload: The body that is sent: JSON.
        attempts: How often it was sent, or is being sent for.
        due_at: The earliest time of the next attempt.
        last_status: The HTTP status of the last attempt; None where there was no answer.
        last_error: What went wrong at the last attempt, as a code.
    """

    id: str
    run_id: str
    event: str
    payload: str
    created_at: str
    attempts: int
    due_at: str
    delivered_at: str | None
    given_up_at: str | None
    last_status: int | None
    last_error: str | None


def enqueue(connection: sa.Connection, run: Run, status: RunStatus, code: str | None) -> str:
    """Write a message, in the transaction that changes the run.

    It holds ids, the status, the code and the time, and nothing of the run's content.

    Returns:
        The message's id.

    Raises:
        ValueError: There is no message for this status.
    """
    if status not in _TOLD:
        raise ValueError(status)
    event = f"run.{status}"
    at = connection.scalars(sa.select(now())).one()
    payload = {
        "type": event,
        "timestamp": iso(at),
        "data": {
            "run_id": run.run_id,
            "task": run.task,
            "source_id": run.source_id,
            "user_id": run.user_id,
            "batch_id": run.batch_id,
            "status": status,
            "code": code,
        },
    }
    message_id = f"msg_{uuid4().hex}"
    row = {
        "id": message_id,
        "run_id": run.run_id,
        "event": event,
        "payload": dump(payload),
        "created_at": at,
        "attempts": 0,
        "due_at": at,
        "lease_until": 0,
    }
    connection.execute(sa.insert(deliveries).values(row))
    return message_id


class Deliveries:
    """The outbox of a ledger's database, shared by any number of threads and processes.

    Every method raises `LedgerUnavailable` where it cannot be read or written.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(self, limit: int) -> list[Delivery]:
        """Claim up to `limit` due messages for LEASE_SECONDS; the attempt is counted."""

        def take(connection: sa.Connection) -> list[Delivery]:
            due = (
                sa.select(deliveries.c.id)
                .where(_due())
                .order_by(deliveries.c.due_at)
                .limit(limit)
                .with_for_update(skip_locked=True)  # those are being claimed by others
            )
            ids = list(connection.scalars(due))
            if not ids:
                return []
            claim = (
                sa.update(deliveries)
                .where(deliveries.c.id.in_(ids), _due())
                .values(attempts=deliveries.c.attempts + 1, lease_until=now() + LEASE_SECONDS)
                .returning(*deliveries.c)
            )
            taken = {row.id: _read(row) for row in connection.execute(claim)}
            return [taken[id_] for id_ in ids if id_ in taken]

        # Checking takes no lock: usually there is nothing.
        return self._database.write(take) if self._any_due() else []

    def delivered(self, delivery: Delivery, status: int) -> None:
        """Record that the receiver has a message, even if another process has claimed it since."""
        self._decide(
            deliveries.c.id == delivery.id,
            delivered_at=now(),
            given_up_at=None,
            last_status=status,
            last_error=None,
        )

    def failed(
        self,
        delivery: Delivery,
        status: int | None,
        error: str,
        *,
        final: bool = False,
        retry_after: float | None = None,
    ) -> None:
        """Note that an attempt failed: the message is sent again later, or abandoned after the last.

        It is abandoned at once where the receiver wants no more of it (`final`), and sent again `retry_after`
        seconds later at the earliest. If another process has claimed it meanwhile, nothing changes.
        """
        wait = None if final else wait_after(delivery.attempts, retry_after)
        self._decide(
            (deliveries.c.id == delivery.id) & (deliveries.c.attempts == delivery.attempts),
            due_at=now() + (wait or 0),
            given_up_at=now() if wait is None else None,
            last_status=status,
            last_error=error,
        )

    def list(self, *, run_id: str | None = None, limit: int = 50) -> list[Delivery]:
        """Messages, newest first; of one run alone, the caller has checked whose it is."""
        query = sa.select(deliveries).order_by(deliveries.c.created_at.desc(), deliveries.c.id).limit(limit)
        if run_id is not None:
            query = query.where(deliveries.c.run_id == run_id)
        return [_read(row) for row in self._database.read(lambda connection: connection.execute(query).all())]

    def _any_due(self) -> bool:
        query = sa.select(deliveries.c.id).where(_due()).limit(1)
        return self._database.read(lambda connection: connection.scalar(query)) is not None

    def _decide(self, which: sa.ColumnElement[bool], **values: object) -> None:
        change = (
            sa.update(deliveries)
            .where(which, deliveries.c.delivered_at.is_(None))
            .values(lease_until=0, **values)
        )
        self._database.write(lambda connection: connection.execute(change))


def wait_after(attempts: int, retry_after: float | None = None) -> float | None:
    """Seconds between a failed attempt and the next, with jitter; None where there is no next.

    Args:
        attempts: Attempts so far, 1 or more.
        retry_after: Seconds that the receiver asked for; they count up to the longest wait of all.
    """
    if attempts > len(DELAYS_SECONDS):
        return None
    asked = min(retry_after or 0.0, DELAYS_SECONDS[-1])
    # So that the messages of a receiver that was away do not all come back at once.
    return max(DELAYS_SECONDS[attempts - 1], asked) * random.uniform(1.0, 1.25)  # noqa: S311 -- no secret


def _due() -> sa.ColumnElement[bool]:
    return (
        deliveries.c.delivered_at.is_(None)
        & deliveries.c.given_up_at.is_(None)
        & (deliveries.c.due_at <= now())
        & (deliveries.c.lease_until < now())
    )


def _read(row: sa.Row[Any]) -> Delivery:
    found: dict[str, Any] = {each.name: getattr(row, each.name) for each in fields(Delivery)}
    for name in ("created_at", "due_at", "delivered_at", "given_up_at"):
        found[name] = iso_or_none(found[name])
    return Delivery(**found)
