"""The SQL statements for runs and calls: each transition with its condition.

They are built once, because building one takes longer than running it. A parameter with the name of a column
sets that column; the others have names of their own.
"""

from __future__ import annotations

import sqlalchemy as sa

from secondlook.connections.database import now
from secondlook.domain.runs import RunStatus
from secondlook.ledger.rows import ANSWER, UNANSWERED
from secondlook.ledger.tables import calls, runs

OPEN = tuple(status for status in RunStatus if status.active)


def has_status(*statuses: RunStatus) -> sa.TextClause:
    """A condition as in the partial indexes: with parameters SQLite would ignore those and scan all runs.

    SQLAlchemy would also expand a list's parameters anew each time.
    """
    if len(statuses) == 1:
        return sa.text(f"runs.status = '{statuses[0]}'")
    return sa.text("runs.status in (" + ", ".join(f"'{status}'" for status in statuses) + ")")


IS_OPEN = has_status(*OPEN)
IS_QUEUED = has_status(RunStatus.QUEUED)

_OF_RUN = runs.c.run_id == sa.bindparam("run")
_MINE = _OF_RUN & (runs.c.owner == sa.bindparam("its_owner"))
_OF_USER = _OF_RUN & (runs.c.user_id == sa.bindparam("its_user"))
_CALL = (calls.c.run_id == sa.bindparam("run")) & (calls.c.number == sa.bindparam("call"))
_LEASE = now() + sa.bindparam("lease_seconds", type_=sa.Double)

# -- runs -----------------------------------------------------------------------------------------------

CLAIMABLE = sa.and_(
    IS_OPEN,
    runs.c.due_at <= now(),
    runs.c.lease_until < now(),
    runs.c.store == sa.bindparam("its_store"),
)
"""Runs that may go on and that nobody owns: its_store."""

CLAIM = (
    sa.update(runs)
    .where(_OF_RUN, CLAIMABLE)
    .values(
        owner=sa.bindparam("its_owner"),
        lease_until=_LEASE,
        started_at=sa.func.coalesce(runs.c.started_at, now()),
        error=None,  # why it could not go on is past
        error_code=None,
    )
    .returning(*UNANSWERED)
)
"""Take a run that nobody owns: run, its_store, its_owner, lease_seconds."""

EXTEND = sa.update(runs).where(_MINE).values(lease_until=_LEASE)
"""A run of this owner: run, its_owner, lease_seconds."""

BEGIN_CALL = (
    sa.update(runs)
    .where(_MINE, runs.c.status == RunStatus.QUEUED, runs.c.attempts == sa.bindparam("call") - 1)
    .values(status=RunStatus.CALLING, attempts=sa.bindparam("call"), lease_until=_LEASE)
)
"""A queued run of this owner: run, its_owner, call, lease_seconds."""

KEEP_ANSWER = (
    sa.update(runs)
    .where(
        _OF_RUN,
        runs.c.answered_call.is_(None),
        has_status(RunStatus.QUEUED, RunStatus.CALLING, RunStatus.IN_DOUBT),
    )
    .values(
        status=RunStatus.ANSWERED,
        answered_call=sa.bindparam("call"),
        generated_at=sa.bindparam("at"),
        error=None,
        error_code=None,
        finished_at=None,
    )
)
"""The first answer counts, whoever owns the run now: run, call, at."""

ANSWERED_CALL = sa.select(runs.c.answered_call).where(_OF_RUN)
"""Which call's answer counts: run."""

RELEASE = sa.update(runs).where(_MINE).values(owner=None, lease_until=0)
"""A run of this owner: run, its_owner."""

BLOCK = RELEASE.where(runs.c.status.in_((RunStatus.QUEUED, RunStatus.ANSWERED)))
"""Likewise, one that may be picked up again, with the columns error_code and error."""

LEAVE = RELEASE.where(runs.c.status == sa.bindparam("its_status"))
"""Likewise, one of that status, with the columns status, error_code and error: its_status too."""

END = LEAVE.values(finished_at=now())
"""Likewise, for good."""

POSTPONE = LEAVE.values(status=RunStatus.QUEUED, due_at=now() + sa.bindparam("seconds", type_=sa.Double))
"""Likewise, to be sent again after some seconds, or, if they are null, when its batch releases it."""

_NOBODYS = sa.update(runs).where(_OF_USER).values(owner=None, lease_until=0)

RESEND = _NOBODYS.where(runs.c.status == RunStatus.IN_DOUBT).values(
    status=RunStatus.QUEUED, due_at=0, error=None, error_code=None
)
"""A person's decision on a run of unknown outcome: run, its_user."""

_NOT_STORABLE = (runs.c.status == RunStatus.ANSWERED) & runs.c.owner.is_(None) & runs.c.error.is_not(None)

CANCEL = _NOBODYS.where(runs.c.status.in_((RunStatus.QUEUED, RunStatus.IN_DOUBT)) | _NOT_STORABLE).values(
    status=RunStatus.CANCELLED, finished_at=now()
)
"""A person's decision on a run that is queued, of unknown outcome, or not storable: run, its_user."""

# -- calls ----------------------------------------------------------------------------------------------

NOTE_CALL = sa.insert(calls).values(sent_at=now())
"""With the columns run_id, number, task and reservation."""

_CALL_ENDS = sa.update(calls).where(_CALL).values(ended_at=now()).returning(calls.c.reservation)

KEEP_CALL = _CALL_ENDS.values(outcome="answered")
"""With the columns of the answer: run, call. What the budgets count for the call comes back."""

END_CALL = _CALL_ENDS.where(calls.c.outcome.is_(None))
"""Likewise without an answer, with the columns of the error; nothing comes back where its end is recorded."""

RECOUNT = sa.update(calls).where(_CALL)
"""With the column reservation: run, call."""

# -- reading --------------------------------------------------------------------------------------------

RUNS = sa.select(runs, *ANSWER, now().label("now")).outerjoin(
    calls, (calls.c.run_id == runs.c.run_id) & (calls.c.number == runs.c.answered_call)
)
"""Runs with their answers."""

RUN = RUNS.where(_OF_RUN)
"""Likewise, one: run."""

NEWEST = (
    RUNS.where(
        runs.c.user_id == sa.bindparam("its_user"),
        runs.c.source_id == sa.bindparam("its_source"),
        runs.c.task == sa.bindparam("its_task"),
        runs.c.subject == sa.bindparam("its_subject"),
    )
    .order_by(runs.c.number.desc())
    .limit(1)
)
"""Likewise, the newest of a source, a task and a subject: its_user, its_source, its_task, its_subject."""
