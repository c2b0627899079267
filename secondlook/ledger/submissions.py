"""Queues runs: inserts them, and stores the Idempotency-Keys that name them.

Two unique indexes per source, task and subject decide which request is first: one open run (an unknown
outcome keeps it open), and one run per number.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.dml import ReturningInsert

from secondlook.connections.database import insert_new, now
from secondlook.domain.runs import Plan, Run, RunStatus
from secondlook.errors import LedgerUnavailable
from secondlook.ledger.rows import UNANSWERED, dump, in_doubt, read_run
from secondlook.ledger.statements import NEWEST, RUN
from secondlook.ledger.tables import runs, submissions


def insert_run(
    connection: sa.Connection,
    run_id: str,
    plan: Plan,
    *,
    store: str,
    number: int | None = None,
    batch_id: str | None = None,
) -> sa.Row[Any] | None:
    """Insert a queued run; return its row, or None where another run of the source and task was first.

    It has the next number where none is given. A run of a batch waits until it is released.
    """
    row = {
        **{name: getattr(plan, name) for name in Plan.model_fields},
        **{name: dump(getattr(plan, name)) for name in ("request", "warnings", "timings")},
        "run_id": run_id,
        "store": store,
        "status": RunStatus.QUEUED,
        "attempts": 0,
        "lease_until": 0,
        "batch_id": batch_id,
        "due_at": 0 if batch_id is None else None,
        "its_number": number,
        "its_user": plan.user_id,
        "its_source": plan.source_id,
        "its_task": plan.task,
        "its_subject": plan.subject,
    }
    return connection.execute(_insert(connection.dialect.name), row).one_or_none()


def queue_run(
    connection: sa.Connection,
    run_id: str,
    plan: Plan,
    *,
    store: str,
    number: int,
    key: str | None,
    fingerprint: str,
) -> Run:
    """Queue a run, or join the newest one of its source and task, or the one that the key names.

    Raises:
        InDoubt: The outcome of the source's newest run is unknown. The key stays free.
        LedgerUnavailable: Nothing was queued.
    """
    named = (submissions.c.user_id == plan.user_id) & (submissions.c.key == key)
    # The key first: a second submission with the same key waits here for the first one.
    if key is not None and not name_run(connection, plan.user_id, key, fingerprint, run_id):
        taken = connection.execute(sa.select(submissions.c.run_id).where(named)).scalar_one()
        return read_run(connection.execute(RUN, {"run": taken}).one())
    queued = insert_run(connection, run_id, plan, store=store, number=number)
    if queued is not None:
        return read_run(queued)
    newest = newest_run(connection, plan.user_id, plan.source_id, plan.task, plan.subject)
    if newest is None:
        raise LedgerUnavailable("The ledger does not take the run")
    if newest.status is RunStatus.IN_DOUBT:
        raise in_doubt(newest)
    if key is not None:
        connection.execute(sa.update(submissions).where(named).values(run_id=newest.run_id))
    return newest


def name_run(connection: sa.Connection, user_id: str, key: str, fingerprint: str, run_id: str) -> bool:
    """Let a key name a run; False where it names one already."""
    name: Mapping[str, object] = {
        "user_id": user_id,
        "key": key,
        "fingerprint": fingerprint,
        "run_id": run_id,
        "created_at": now(),
    }
    # The returned row, not the row count: a driver may not know that of an insert that did nothing.
    insert = insert_new(connection.dialect.name, submissions).values(name).returning(submissions.c.run_id)
    return connection.execute(insert).one_or_none() is not None


def newest_run(
    connection: sa.Connection, user_id: str, source_id: str, task: str, subject: str = ""
) -> Run | None:
    """The newest run of a source, a task and a subject."""
    names = {"its_user": user_id, "its_source": source_id, "its_task": task, "its_subject": subject}
    found = connection.execute(NEWEST, names).one_or_none()
    return None if found is None else read_run(found)


_NEXT = (
    sa.select(sa.func.coalesce(sa.func.max(runs.c.number), 0) + 1)
    .where(
        runs.c.user_id == sa.bindparam("its_user"),
        runs.c.source_id == sa.bindparam("its_source"),
        runs.c.task == sa.bindparam("its_task"),
        runs.c.subject == sa.bindparam("its_subject"),
    )
    .scalar_subquery()
)


@lru_cache(maxsize=2)
def _insert(dialect: str) -> ReturningInsert[Any]:
    """The insert of a run in a database's dialect; cached, because building it is slower than running it."""
    number = sa.func.coalesce(sa.bindparam("its_number", type_=sa.Integer), _NEXT)
    return insert_new(dialect, runs).values(created_at=now(), number=number).returning(*UNANSWERED)
