"""Reads the ledger's runs."""

from __future__ import annotations

from typing import Any, NamedTuple

import sqlalchemy as sa

from secondlook.connections.database import Database, now
from secondlook.domain.identifiers import canonical, not_found
from secondlook.domain.runs import SNAPSHOT, Run, RunStatus
from secondlook.ledger.rows import read_run
from secondlook.ledger.statements import CLAIMABLE, IS_OPEN, OPEN, RUN, RUNS, has_status
from secondlook.ledger.submissions import newest_run
from secondlook.ledger.tables import runs, submissions


class OpenRun(NamedTuple):
    """A run that may go on."""

    run_id: str
    user_id: str
    status: RunStatus
    in_batch: bool = False


class Runs:
    """The runs of a ledger, as they are.

    Args:
        database: The ledger's database.
        store: The store that runs are executed with here: a ledger may outlast it.
    """

    def __init__(self, database: Database, store: str) -> None:
        self._database = database
        self.store = store

    def get(self, run_id: str, user_id: str | None = None) -> Run:
        """A run, of this user where one is named.

        Raises:
            SourceNotFound: No such run, or another user's.
        """
        names = {"run": canonical(run_id, "run_id")}
        found = self._database.read(lambda connection: connection.execute(RUN, names).one_or_none())
        if found is None or user_id not in {None, found.user_id}:
            raise not_found("run_id")
        return read_run(found)

    def list(
        self, user_id: str, *, status: RunStatus | None = None, limit: int | None = None, offset: int = 0
    ) -> list[Run]:
        """A user's runs, newest first."""
        query = RUNS.where(runs.c.user_id == user_id)
        if status is not None:
            query = query.where(has_status(status))
        return self._all(query.order_by(runs.c.created_at.desc(), runs.c.run_id).limit(limit).offset(offset))

    def beginning_with(self, prefix: str, user_id: str, *, limit: int) -> list[Run]:
        """The user's runs whose id begins so, oldest first, up to a limit."""
        query = RUNS.where(runs.c.user_id == user_id, runs.c.run_id.startswith(prefix, autoescape=True))
        return self._all(query.order_by(runs.c.run_id).limit(limit))

    def of_batch(self, batch_id: str, user_id: str) -> list[Run]:
        """The runs of a batch of the user's, in the order in which they are released."""
        query = RUNS.where(runs.c.batch_id == batch_id, runs.c.user_id == user_id)
        return self._all(query.order_by(runs.c.created_at, runs.c.run_id))

    def _all(self, query: sa.Select[Any]) -> list[Run]:
        return self._database.read(lambda connection: [read_run(row) for row in connection.execute(query)])

    def going_on(self, user_id: str) -> dict[str, str]:
        """The user's active runs outside of batches: the sources by the ids of the runs."""
        found = self._database.read(lambda connection: connection.execute(_GOING_ON).all())
        return {row.run_id: row.source_id for row in found if row.user_id == user_id}

    def latest(self, user_id: str, source_id: str, task: str = SNAPSHOT, subject: str = "") -> Run | None:
        """The source's newest run of a task and a subject."""
        return self._database.read(
            lambda connection: newest_run(connection, user_id, source_id, task, subject)
        )

    def unfinished(self, user_id: str, source_id: str) -> list[str]:
        """The ids of the source's runs that are open or whose outcome is unknown, of any task."""
        query = sa.select(runs.c.run_id).where(
            runs.c.user_id == user_id, runs.c.source_id == source_id, has_status(*OPEN, RunStatus.IN_DOUBT)
        )
        return self._database.read(lambda connection: list(connection.scalars(query)))

    def about(self, user_id: str, source_id: str, task: str, subject: str) -> list[Run]:
        """The runs of a task about a subject, newest first."""
        query = RUNS.where(
            runs.c.user_id == user_id,
            runs.c.source_id == source_id,
            runs.c.task == task,
            runs.c.subject == subject,
        )
        return self._all(query.order_by(runs.c.number.desc()))

    def submitted(self, user_id: str, key: str) -> tuple[str, str] | None:
        """The id of the run that this key of the user names, and the fingerprint it was submitted with."""
        query = sa.select(submissions.c.run_id, submissions.c.fingerprint).where(
            submissions.c.user_id == user_id, submissions.c.key == key
        )
        found = self._database.read(lambda connection: connection.execute(query).one_or_none())
        return None if found is None else (found.run_id, found.fingerprint)

    def claimable(self) -> list[OpenRun]:
        """The runs that may go on and that nobody owns, oldest first."""
        of_store = {"its_store": self.store}
        found = self._database.read(lambda connection: connection.execute(_CLAIMABLE, of_store).all())
        return [
            OpenRun(row.run_id, row.user_id, RunStatus(row.status), in_batch=row.batch_id is not None)
            for row in found
        ]

    def seconds_until_due(self) -> float | None:
        """Seconds until the next waiting run may be sent again; None where none waits."""
        query = sa.select(sa.func.min(runs.c.due_at) - now()).where(IS_OPEN, runs.c.due_at > now())
        return self._database.read(lambda connection: connection.scalar(query))


_CLAIMABLE = (
    sa.select(runs.c.run_id, runs.c.user_id, runs.c.status, runs.c.batch_id)
    .where(CLAIMABLE)
    .order_by(runs.c.created_at)
)
# With the user among the conditions, SQLite would scan all runs of the user.
_GOING_ON = sa.select(runs.c.run_id, runs.c.user_id, runs.c.source_id).where(
    IS_OPEN,
    runs.c.due_at.is_not(None),
    runs.c.batch_id.is_(None),
)
