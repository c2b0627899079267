"""Releases the runs of batches: the one place that knows concurrency, start rates and rate limits."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from secondlook.connections.database import now
from secondlook.domain.batches import BatchStatus
from secondlook.domain.runs import RunStatus
from secondlook.ledger import rate_limits
from secondlook.ledger.budgets import is_switched_off
from secondlook.ledger.statements import IS_OPEN, IS_QUEUED
from secondlook.ledger.tables import batches, runs

# Built once: they run whenever a run of a batch ends.
RUNNING = sa.select(batches, now().label("now")).where(
    batches.c.status == BatchStatus.RUNNING, batches.c.store == sa.bindparam("its_store")
)
"""Batches that may release runs: its_store."""

_RUNNING_HELD = RUNNING.order_by(batches.c.created_at).with_for_update()
# Counted per batch: to group by batch, SQLite would scan all runs of all batches.
# An answer that is being stored takes no slot. One that could not be stored does: a batch must not continue
# for long when its snapshots cannot be stored.
_RELEASED_BEFORE = sa.select(
    runs.c.batch_id,
    ((runs.c.status != RunStatus.ANSWERED) | runs.c.owner.is_(None)).label("takes_place"),
).where(IS_OPEN, runs.c.due_at.is_not(None), runs.c.store == sa.bindparam("its_store"))
_WAITING = (
    sa.select(runs.c.run_id)
    .where(runs.c.batch_id == sa.bindparam("batch"), IS_QUEUED, runs.c.due_at.is_(None))
    .order_by(runs.c.created_at, runs.c.run_id)
    .limit(sa.bindparam("most"))
)
_RELEASE = sa.update(runs).where(runs.c.run_id == sa.bindparam("run")).values(due_at=now())
_RATE = sa.update(batches).where(
    batches.c.batch_id == sa.bindparam("batch"), batches.c.status == BatchStatus.RUNNING
)
_END = _RATE.values(status=BatchStatus.ENDED, ended_at=now())


def release(connection: sa.Connection, store: str, capacity: int) -> list[str]:
    """Release as many runs as the limits allow now, fairly from all batches, and end finished batches.

    Args:
        connection: A writing transaction.
        store: The store whose batches these are.
        capacity: The most runs of all batches at the same time.

    Returns:
        Their ids.
    """
    of_store = {"its_store": store}
    # Locked: each process sees what the one before has released.
    running = connection.execute(_RUNNING_HELD, of_store).all()
    if not running or is_switched_off(connection):
        return []
    # Of paused and stopped batches too: their runs take slots as well.
    before = [row for row in connection.execute(_RELEASED_BEFORE, of_store) if row.batch_id]
    in_flight = Counter[str](row.batch_id for row in before if row.takes_place)
    open_ones = {row.batch_id for row in before}
    free = rate_limits.room(connection, capacity - in_flight.total())
    waiting: dict[str, Sequence[str]] = {}
    for batch in running:
        slots = _slots(batch, in_flight[batch.batch_id])
        next_ones = {"batch": batch.batch_id, "most": slots}
        waiting[batch.batch_id] = connection.scalars(_WAITING, next_ones).all() if slots else ()
        if slots and not waiting[batch.batch_id] and batch.batch_id not in open_ones:
            connection.execute(_END, {"batch": batch.batch_id})
    # By the runs that wait: a batch that is nearly done takes no slots from the others.
    shares = _share({batch: len(ids) for batch, ids in waiting.items()}, in_flight, free)
    released: list[str] = []
    for batch in running:
        ids = waiting[batch.batch_id][: shares[batch.batch_id]]
        _release(connection, batch, ids)
        released += ids
    if released:
        rate_limits.take(connection, len(released))
    return released


def _slots(batch: sa.Row[Any], in_flight: int) -> int:
    """How many runs of a batch may start now, by its own limits."""
    slots = max(0, batch.concurrency - in_flight)
    if batch.per_minute is None:
        return slots
    if batch.now < batch.next_at:
        return 0
    return min(slots, 1 + int((batch.now - max(batch.next_at, batch.now - 1)) * batch.per_minute / 60))


def _share(wanted: Mapping[str, int], in_flight: Mapping[str, int], free: int) -> dict[str, int]:
    """Distribute free slots: each goes to a batch that has the fewest."""
    shares = dict.fromkeys(wanted, 0)
    for _ in range(free):
        hungry = {
            batch: in_flight.get(batch, 0) + share for batch, share in shares.items() if share < wanted[batch]
        }
        if not hungry:
            break
        equal = [batch for batch, taken in hungry.items() if taken == min(hungry.values())]
        shares[random.choice(equal)] += 1  # noqa: S311 -- no secret; random, so that no batch is always first
    return shares


def _release(connection: sa.Connection, batch: sa.Row[Any], ids: Sequence[str]) -> None:
    if not ids:
        return
    connection.execute(_RELEASE, [{"run": run_id} for run_id in ids])
    if batch.per_minute is not None:
        # At most one second is caught up: a pause gives no credit.
        next_at = max(batch.next_at, batch.now - 1) + len(ids) * 60 / batch.per_minute
        connection.execute(_RATE, {"batch": batch.batch_id, "next_at": next_at})
