"""Announces runs to workers on other machines: procrastinate's queue, in the ledger's database.

A job is only a hint: it holds a run's id, and the worker that takes it asks the ledger whether there is
anything to do. A duplicate job does nothing; the workers' sweep replaces a lost one.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa
from procrastinate.exceptions import AlreadyEnqueued, ProcrastinateException
from procrastinate.jobs import Job
from procrastinate.manager import JobManager
from procrastinate.schema import SchemaManager
from procrastinate.sync_psycopg_connector import SyncPsycopgConnector

from secondlook.connections.database import Database
from secondlook.connections.migrations import Migration, migrate
from secondlook.errors import LedgerUnavailable
from secondlook.ledger.database import QUEUE

TASK = "carry"
"""The stored name of the only task; its arguments are a run's id and whether it is of a batch."""

ASKED, BATCH = "asked", "batch"
"""The queues: of runs that somebody waits for, and of runs of batches."""

_jobs = sa.table("procrastinate_jobs", sa.column("queueing_lock"), sa.column("status"))


class Jobs:
    """The queue in a ledger's database, which must be on Postgres.

    Raises:
        LedgerUnavailable: The queue's tables cannot be made.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        # Never opened: every job is written over a connection of the ledger's.
        self._manager = JobManager(SyncPsycopgConnector())
        migrate(database, _migrations())

    def defer(self, run_id: str, in_batch: bool) -> None:
        """Queue a job for a run, unless there is one.

        Raises:
            LedgerUnavailable: It could not be queued; the workers' sweep finds the run.
        """
        job = Job(
            queue=BATCH if in_batch else ASKED,
            lock=None,
            queueing_lock=run_id,
            task_name=TASK,
            task_kwargs={"run_id": run_id, "in_batch": in_batch},
        )
        waiting = sa.select(_jobs.c.queueing_lock).where(
            _jobs.c.queueing_lock == run_id, _jobs.c.status == sa.literal_column("'todo'")
        )

        def tell(connection: sa.Connection) -> None:
            # Looked up first, because the server logs a row that the index refuses as an error.
            if connection.scalar(waiting) is None:
                self._manager.defer_job(job, connection=connection.connection.driver_connection)

        try:
            self._database.write(tell)
        except AlreadyEnqueued:
            return  # another process was faster
        except ProcrastinateException as error:
            raise LedgerUnavailable(f"The workers cannot be told ({type(error).__name__})") from None


def _migrations() -> list[Migration]:
    """The queue's schema, and for databases that had an older one, what has changed since."""
    made_now: list[bool] = []

    def make(connection: sa.Connection) -> None:
        _run(connection, SchemaManager.get_schema())
        made_now.append(True)

    def change(script: Path) -> Callable[[sa.Connection], None]:
        def apply(connection: sa.Connection) -> None:
            if not made_now:  # a new schema has all of them
                _run(connection, script.read_text(encoding="utf-8"))

        return apply

    scripts = sorted(Path(SchemaManager.get_migrations_path()).glob("*.sql"))
    return [(QUEUE, make), *((f"{QUEUE} {script.stem}", change(script)) for script in scripts)]


def _run(connection: sa.Connection, script: str) -> None:
    """Many statements at once, which SQLAlchemy takes only one by one."""
    driver = connection.connection.driver_connection
    if driver is None:
        raise LedgerUnavailable("The ledger's connection was lost")
    driver.execute(script)
