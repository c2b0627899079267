"""Batches: runs of many sources, started by one action, released a few at a time.

All runs of a batch are queued when it starts, so that no crash loses one. None may be executed before it is
released. A release (`releases`) is one transaction, so its limits hold for all processes on a ledger. A
released run is a run like any other.

    filling ──▶ running ⇄ paused
                   ├──▶ stopped   runs that were not sent are canceled, those in flight finish;
                   │              a resume queues the canceled ones again
                   └──▶ ended
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import islice
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from secondlook.connections.database import Database, now
from secondlook.connections.write_priority import WritePriority
from secondlook.domain.batches import Batch, BatchStatus
from secondlook.domain.identifiers import canonical, new_run_id
from secondlook.domain.money import NANO
from secondlook.domain.runs import Plan, RunStatus
from secondlook.errors import SourceNotFound
from secondlook.ledger.releases import RUNNING, release
from secondlook.ledger.rows import dump, iso, iso_or_none
from secondlook.ledger.statements import IS_QUEUED, OPEN
from secondlook.ledger.submissions import insert_run
from secondlook.ledger.tables import batches, calls, runs

_CHUNK = 200
_STALLED_SECONDS = 30  # several times what reading and queueing a chunk takes


class Batches:
    """The batches on a ledger.

    Every method raises `LedgerUnavailable` where it cannot be read or written.

    Args:
        database: The ledger's database; the ledger has made the tables.
        store: The store whose batches these are: a ledger may outlast it.
    """

    def __init__(self, database: Database, *, store: str = "embedded") -> None:
        self._database = database
        self._store = store

    # -- starting -----------------------------------------------------------------------------------

    def open(self, user_id: str, *, concurrency: int, per_minute: float | None = None) -> str:
        """Make a batch without runs yet, and return its id; `fill` queues its runs.

        Args:
            user_id: Whose batch it is.
            concurrency: The most runs at the same time.
            per_minute: The most runs started per minute.
        """
        batch_id = str(uuid4())
        row = {
            "batch_id": batch_id,
            "user_id": user_id,
            "store": self._store,
            "status": BatchStatus.FILLING,
            "concurrency": concurrency,
            "per_minute": per_minute,
            "next_at": 0.0,
            "skipped": "{}",
            "created_at": now(),
        }
        self._database.write(lambda connection: connection.execute(sa.insert(batches).values(row)))
        return batch_id

    def fill(self, batch_id: str, plans: Iterable[Plan]) -> None:
        """Queue a run for each plan, then start the batch. Nothing is sent before all are queued.

        A source with an open run, or with one that is done since the batch was made, is left out and counted.

        Args:
            batch_id: A batch that is being filled.
            plans: The plan of each run; read while they are written.
        """
        left_out = 0
        for chunk in _chunks(plans):
            missed = self._queue(batch_id, chunk)
            if missed is None:
                break
            left_out += missed
        skipped = dump({"unsettled": left_out} if left_out else {})
        values = {"status": BatchStatus.RUNNING, "skipped": skipped}
        self._database.write(lambda c: _update(c, batch_id, (BatchStatus.FILLING,), **values))

    def _queue(self, batch_id: str, plans: Sequence[Plan]) -> int | None:
        """Queue a few runs and return how many were left out; None where the batch was stopped meanwhile."""

        def queue(connection: sa.Connection) -> int | None:
            # Locked: a stop cancels what is queued by then, and nothing is queued after it.
            if hold_status(connection, batch_id) == BatchStatus.STOPPED:
                return None
            queued = [
                insert_run(connection, new_run_id(), plan, store=self._store, batch_id=batch_id)
                for plan in plans
            ]
            return queued.count(None) + connection.execute(sa.delete(runs).where(_twice(batch_id))).rowcount

        return self._database.write(queue)

    # -- releasing ----------------------------------------------------------------------------------

    def release(self, capacity: int) -> list[str]:
        """Release as many runs as the limits allow now, fairly from all batches, and end finished batches.

        Args:
            capacity: The most runs of all batches at the same time.

        Returns:
            Their ids. The caller executes them, or has them executed.
        """
        # Soft: a run whose release a power cut undoes waits again and is released again.
        if not self.any_running():
            return []
        return self._database.write_soft(
            lambda connection: release(connection, self._store, capacity), WritePriority.RELEASE
        )

    def any_running(self) -> bool:
        """Whether there is a batch that may release runs."""
        of_store = {"its_store": self._store}
        return (
            self._database.read(lambda connection: connection.execute(RUNNING, of_store).first()) is not None
        )

    # -- a person's decisions -----------------------------------------------------------------------

    def pause(self, batch_id: str, user_id: str) -> Batch:
        """Pause a batch: release no more runs; those in flight finish.

        Raises:
            SourceNotFound: No such batch, or another user's.
        """
        return self._decide(_pause, batch_id, user_id)

    def resume(self, batch_id: str, user_id: str) -> Batch:
        """Resume a paused or stopped batch, or start what is queued of one whose process died while queueing.

        The runs that a stop canceled are queued again, except for sources that have had another run since.

        Raises:
            SourceNotFound: No such batch, or another user's.
        """
        return self._decide(_resume, batch_id, user_id)

    def stop(self, batch_id: str, user_id: str) -> Batch:
        """Stop a batch: cancel the runs that were not sent; those in flight finish.

        Raises:
            SourceNotFound: No such batch, or another user's.
        """
        return self._decide(_stop, batch_id, user_id)

    def _decide(self, change: Callable[[sa.Connection, str], None], batch_id: str, user_id: str) -> Batch:
        batch = self.get(batch_id, user_id)
        self._database.write(lambda connection: change(connection, batch.batch_id))
        return self.get(batch_id, user_id)

    # -- reading ------------------------------------------------------------------------------------

    def get(self, batch_id: str, user_id: str) -> Batch:
        """A batch of the user's.

        Raises:
            SourceNotFound: No such batch, or another user's.
        """
        found = self._select(
            batches.c.batch_id == canonical(batch_id, "batch_id"), batches.c.user_id == user_id
        )
        if not found:
            raise SourceNotFound("Invalid batch_id: not found")
        return found[0]

    def list(self, user_id: str, *, limit: int = 20) -> list[Batch]:
        """The user's batches, newest first."""
        return self._select(batches.c.user_id == user_id, limit=limit)

    def statuses(self, user_id: str, *, limit: int = 20) -> dict[str, BatchStatus]:
        """The status of the user's newest batches by their ids; cheaper than listing them."""
        query = (
            sa.select(batches.c.batch_id, batches.c.status)
            .where(batches.c.user_id == user_id)
            .order_by(batches.c.created_at.desc())
            .limit(limit)
        )
        found = self._database.read(lambda connection: connection.execute(query).all())
        return {row.batch_id: BatchStatus(row.status) for row in found}

    def _select(self, *where: sa.ColumnElement[bool], limit: int = 1) -> list[Batch]:
        query = (
            sa.select(batches, now().label("now"))
            .where(*where)
            .order_by(batches.c.created_at.desc())
            .limit(limit)
        )

        def read(connection: sa.Connection) -> list[Batch]:
            return [_read(connection, row) for row in connection.execute(query)]

        return self._database.read(read)


def hold_status(connection: sa.Connection, batch_id: str) -> str | None:
    """A batch's status, locked until the transaction ends."""
    query = sa.select(batches.c.status).where(batches.c.batch_id == batch_id)
    return connection.scalar(query.with_for_update())


def _chunks(plans: Iterable[Plan]) -> Iterator[Sequence[Plan]]:
    left = iter(plans)
    while chunk := list(islice(left, _CHUNK)):
        yield chunk


def _pause(connection: sa.Connection, batch_id: str) -> None:
    values = {"status": BatchStatus.PAUSED, "halted_at": now()}
    if _update(connection, batch_id, (BatchStatus.RUNNING,), **values):
        connection.execute(sa.update(runs).where(_unsent(batch_id)).values(due_at=None))


def _resume(connection: sa.Connection, batch_id: str) -> None:
    stopped = sa.select(batches.c.ended_at).where(
        batches.c.batch_id == batch_id, batches.c.status == BatchStatus.STOPPED
    )
    stopped_at = connection.scalar(stopped.with_for_update())
    if stopped_at is not None:
        cancelled = sa.update(runs).where(_canceled_by_stop(batch_id, stopped_at))
        connection.execute(cancelled.values(status=RunStatus.QUEUED, finished_at=None))
    values = {
        "status": BatchStatus.RUNNING,
        "idle_s": batches.c.idle_s + sa.func.coalesce(now() - batches.c.halted_at, 0),
        "halted_at": None,
        "ended_at": None,
    }
    _update(connection, batch_id, (BatchStatus.PAUSED, BatchStatus.STOPPED, BatchStatus.FILLING), **values)


def _stop(connection: sa.Connection, batch_id: str) -> None:
    values = {
        "status": BatchStatus.STOPPED,
        "ended_at": now(),
        "halted_at": sa.func.coalesce(batches.c.halted_at, now()),
    }
    stoppable = (BatchStatus.FILLING, BatchStatus.RUNNING, BatchStatus.PAUSED)
    if _update(connection, batch_id, stoppable, **values):
        unsent = sa.update(runs).where(_unsent(batch_id))
        connection.execute(unsent.values(status=RunStatus.CANCELLED, finished_at=now(), due_at=None))


_OTHER = runs.alias("other")
_OF_SAME = sa.exists().where(
    _OTHER.c.user_id == runs.c.user_id,
    _OTHER.c.source_id == runs.c.source_id,
    _OTHER.c.task == runs.c.task,
    _OTHER.c.subject == runs.c.subject,
)
"""Another run of a run's source, task and subject."""


def _twice(batch_id: str) -> sa.ColumnElement[bool]:
    """Runs of a batch being queued whose source may have been read before another run finished."""
    began = sa.select(batches.c.created_at).where(batches.c.batch_id == batch_id).scalar_subquery()
    done_since = _OF_SAME.where(_OTHER.c.status == RunStatus.DONE, _OTHER.c.finished_at >= began)
    waiting = (runs.c.status == RunStatus.QUEUED) & (runs.c.attempts == 0) & runs.c.owner.is_(None)
    return (runs.c.batch_id == batch_id) & waiting & done_since


def _update(connection: sa.Connection, batch_id: str, among: Sequence[BatchStatus], **values: object) -> bool:
    change = sa.update(batches).where(batches.c.batch_id == batch_id, batches.c.status.in_(among))
    return connection.execute(change.values(**values)).rowcount == 1


def _unsent(batch_id: str) -> sa.ColumnElement[bool]:
    """Queued runs of a batch without a request in flight, including those that wait to be sent again."""
    return (
        (runs.c.batch_id == batch_id)
        & (runs.c.status == RunStatus.QUEUED)
        & (runs.c.due_at.is_(None) | (runs.c.lease_until < now()))
    )


def _canceled_by_stop(batch_id: str, stopped_at: float) -> sa.ColumnElement[bool]:
    """Runs that a stop canceled and whose source has had no run since.

    Runs that a person canceled were sent and have a due_at, or were canceled before the stop.
    """
    since = _OF_SAME.where(_OTHER.c.number > runs.c.number)
    cancelled = (runs.c.status == RunStatus.CANCELLED) & runs.c.due_at.is_(None)
    return (runs.c.batch_id == batch_id) & cancelled & (runs.c.finished_at >= stopped_at) & ~since


_MINE = runs.c.batch_id == sa.bindparam("batch")
_COUNTS = sa.select(runs.c.status, sa.func.count().label("number")).where(_MINE).group_by(runs.c.status)
_FAILURES = (
    sa.select(runs.c.error_code, sa.func.count())
    .where(_MINE, runs.c.status == RunStatus.FAILED)
    .group_by(runs.c.error_code)
)
# Uses only the index of runs that wait to be released.
_HELD = sa.select(sa.func.count(), sa.func.max(runs.c.created_at)).where(
    _MINE, IS_QUEUED, runs.c.due_at.is_(None)
)
_TASK = sa.select(runs.c.task).where(_MINE).limit(1)
_ANSWERS = (
    sa.select(sa.func.count(), sa.func.count(calls.c.cost_nanousd), sa.func.sum(calls.c.cost_nanousd))
    .join_from(runs, calls, calls.c.run_id == runs.c.run_id)
    .where(_MINE, calls.c.outcome == "answered", runs.c.status.not_in(OPEN))
)


def _read(connection: sa.Connection, row: sa.Row[Any]) -> Batch:
    mine = {"batch": row.batch_id}
    answered, priced, cost = connection.execute(_ANSWERS, mine).one()
    held, queued_at = connection.execute(_HELD, mine).one()
    stalled = row.now - max(row.created_at, queued_at or 0.0) > _STALLED_SECONDS
    end: float = next(at for at in (row.halted_at, row.ended_at, row.now) if at is not None)
    return Batch(
        batch_id=row.batch_id,
        user_id=row.user_id,
        status=BatchStatus(row.status),
        concurrency=row.concurrency,
        per_minute=row.per_minute,
        skipped=json.loads(row.skipped),
        counts={run.status: run.number for run in connection.execute(_COUNTS, mine)},
        failures={code or "unknown": number for code, number in connection.execute(_FAILURES, mine)},
        cost_usd=Decimal(int(cost or 0)) / NANO if answered == priced else None,
        created_at=iso(row.created_at),
        ended_at=iso_or_none(row.ended_at),
        elapsed_s=max(0.0, end - row.created_at - row.idle_s),
        held=held,
        stalled=stalled and row.status == BatchStatus.FILLING,
        task=connection.scalar(_TASK, mine),
    )
