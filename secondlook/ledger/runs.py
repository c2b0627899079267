"""Runs and their legal transitions.

The ledger owns the guarantees; workers are disposable.

    queued ──▶ calling ──▶ answered ──▶ done
      │           ├──▶ failed ◀──┘
      │           └──▶ in_doubt ──▶ queued (a person retries it)
      │                   └──▶ answered (a late answer, also of a run that is queued again)
      └───────────────────┴──▶ cancelled (a person cancels it)

- One open run per source and task, even if its outcome is unknown: a unique index.
- One owner per run: a claim by compare-and-set, and a lease that its owner extends while it lives.
- One call at a time: only a queued run can start one. If the owner dies after that, the run stays
  `calling`; the next claim can only mark its outcome as unknown.
- No answer is lost: it is journaled whole before anything reads it, even if it comes late.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa

from secondlook.connections.database import Database, now
from secondlook.connections.write_priority import WritePriority
from secondlook.domain.answers import AgentAnswer
from secondlook.domain.batches import BatchStatus
from secondlook.domain.identifiers import canonical, not_found
from secondlook.domain.runs import SNAPSHOT, Plan, Run, RunStatus
from secondlook.errors import LedgerUnavailable, Outcome, OverBudget, ProviderError, SecondlookError
from secondlook.ledger import budgets, clock, outbox
from secondlook.ledger.budget_status import Limits
from secondlook.ledger.budgets import Reservation
from secondlook.ledger.database import ledger_database
from secondlook.ledger.leases import Leases
from secondlook.ledger.rate_limits import hold, note_limits
from secondlook.ledger.rows import dump, error_columns, in_doubt, iso, nano, read_run
from secondlook.ledger.statements import (
    ANSWERED_CALL,
    BEGIN_CALL,
    CLAIM,
    FINISH,
    IS_OPEN,
    KEEP_ANSWER,
    KEEP_CALL,
    NOTE_CALL,
    OPEN,
    RECOUNT,
    RUN,
    RUNS,
    has_status,
)
from secondlook.ledger.submissions import name_run, newest_run, queue_run
from secondlook.ledger.tables import batches, calls, runs, submissions

MIN_FREE_BYTES = 16 * 1024 * 1024
"""Nothing is sent with less than this free on the ledger's disk: the answer could not be kept."""

JOURNAL_PATIENCE_SECONDS = 120
"""How long an answer waits, in memory, for a ledger that cannot be written."""


class OpenRun(NamedTuple):
    """A run that may go on."""

    run_id: str
    user_id: str
    status: RunStatus
    in_batch: bool = False


class Ledger:
    """The ledger on one database, shared by any number of threads and processes.

    Args:
        database: The ledger's database, as `ledger_database` opens it.
        lease_seconds: How long an owner may be silent before its run can be claimed by another.
        folder: Where an embedded database lies; its free space is watched.
        store: The store that runs are queued for and executed with here: a ledger may outlast it.
        limits: The budgets; every call is checked against them before it is sent.
        announces: Whether the end of a run is written to the outbox.
    """

    def __init__(
        self,
        database: Database,
        *,
        lease_seconds: float,
        folder: Path | None = None,
        store: str = "embedded",
        limits: Limits | None = None,
        announces: bool = False,
    ) -> None:
        self._database = database
        self._folder = folder
        self.store = store
        self._limits = limits or Limits()
        self._announces = announces
        self.lease_seconds = lease_seconds
        self._leases = Leases(database, lease_seconds)

    # -- submitting ---------------------------------------------------------------------------------

    def submit(
        self, run_id: str, plan: Plan, *, number: int, key: str | None = None, fingerprint: str = ""
    ) -> Run:
        """Queue a run, or join the one that another request queued meanwhile, whatever its status.

        A key names one run of its user for good: a submission with a known key gets that run, whatever it
        asks for. `submitted` returns the fingerprint, which tells whether it asks for the same.

        Args:
            run_id: The new run's id.
            plan: What it is to do.
            number: Which run of the source and task it is: one more than the newest that the caller saw.
            key: The caller's name for this submission, so that it can be repeated.
            fingerprint: What the submission asks for, to be kept with its key.

        Raises:
            InDoubt: The outcome of the newest run of source and task is unknown. The key stays free.
            LedgerUnavailable: Nothing was queued.
        """

        def submit(connection: sa.Connection) -> Run:
            return queue_run(
                connection, run_id, plan, store=self.store, number=number, key=key, fingerprint=fingerprint
            )

        self._check_room()
        # Soft without a key: a run that a power cut undoes was not sent, and is requested again.
        return self._database.write_soft(submit) if key is None else self._database.write(submit)

    # -- executing ----------------------------------------------------------------------------------

    def claim(self, run_id: str, owner: str) -> Run | None:
        """Claim a run that nobody owns; None where another worker owns it, or nothing is left to do."""
        values = {
            "run": run_id,
            "its_store": self.store,
            "its_owner": owner,
            "lease_seconds": self.lease_seconds,
        }
        # Soft, because it can be repeated: after a power cut nobody owns the run.
        row = self._database.write_soft(lambda c: c.execute(CLAIM, values).one_or_none(), WritePriority.CLAIM)
        if row is None:
            return None
        return self.get(run_id) if row.status == RunStatus.ANSWERED else read_run(row)

    @contextmanager
    def held(self, run: Run) -> Generator[None]:
        """Extend the lease of a claimed run for as long as the block runs.

        Every transition that ends the owner's part releases the run; so does an exception.
        """
        with self._leases.held(run.run_id, run.owner or "nobody"):
            try:
                yield
            except BaseException:
                with suppress(LedgerUnavailable):
                    self._write(sa.update(runs).where(_mine(run)).values(_RELEASED))
                raise

    def begin_call(self, run: Run, ceiling: Decimal | None = Decimal(0)) -> int | None:
        """Record a request before it is sent, and reserve its highest cost.

        Args:
            run: The run.
            ceiling: The most US dollars that the call may cost; None where that is unknown.

        Returns:
            The call's number; None where the run has another owner by now: nothing may be sent.

        Raises:
            OverBudget: A budget does not hold it, or sending is switched off; nothing may be sent.
            LedgerUnavailable: The call could not be recorded, or an answer not kept; nothing may be sent.
        """
        self._check_room()
        number = run.attempts + 1

        names = {**_names(run), "call": number}

        def begin(connection: sa.Connection) -> bool:
            started = connection.execute(BEGIN_CALL, {**names, "lease_seconds": self.lease_seconds}).rowcount
            if started:
                reserved = budgets.reserve(connection, self._limits, run.user_id, nano(ceiling))
                call = {"run_id": run.run_id, "number": number, "task": run.task}
                connection.execute(NOTE_CALL, {**call, "reservation": reserved.dump()})
            return bool(started)

        return number if self._database.write(begin, WritePriority.SEND) else None

    def journal(self, run_id: str, number: int, answer: AgentAnswer, cost: Decimal | None = None) -> bool:
        """Keep an answer durably, whatever the run's status is by now; the first answer counts.

        Args:
            run_id: The run.
            number: Its call.
            answer: What came.
            cost: US dollars that it has cost; None where that is unknown.

        Returns:
            True where this is the answer that counts.

        Raises:
            LedgerUnavailable: The ledger could not be written for JOURNAL_PATIENCE_SECONDS.
        """
        spent = nano(cost)
        names = {"run": run_id, "call": number}
        kept = {
            "cost_nanousd": spent,
            **answer.model_dump(exclude={"usage", "limits"}),
            **answer.usage.model_dump(),
        }

        def keep(connection: sa.Connection) -> bool:
            reserved = connection.scalar(KEEP_CALL, {**names, **kept})
            first = connection.execute(KEEP_ANSWER, {**names, "at": iso(time.time())}).rowcount == 1
            if answer.limits is not None:
                note_limits(connection, run_id, answer.limits)
            # Not only after an update: a server may fail after a commit, before it confirms it.
            counts = first or connection.scalar(ANSWERED_CALL, names) == number
            # The offline agent's cost is shown, but not spent.
            paid = 0 if answer.usage.estimated else spent
            _recount(connection, names, reserved, lambda c, r: budgets.settle(c, r, paid))
            return counts

        give_up = time.monotonic() + JOURNAL_PATIENCE_SECONDS
        while True:
            try:
                return self._database.write(keep)
            except LedgerUnavailable:
                if time.monotonic() > give_up:
                    raise
                time.sleep(0.5)

    def end_call(self, run: Run, number: int, error: ProviderError) -> None:
        """Record that a call got no answer: the run failed, or its outcome is unknown."""
        unknown = error.outcome == "unknown"
        advice = "" if error.hint == ProviderError.default_hint else error.hint
        failed = in_doubt(run, error.message, advice) if unknown else error

        def end(connection: sa.Connection) -> None:
            reserved = _end_call(connection, run, number, error)
            status = RunStatus.IN_DOUBT if unknown else RunStatus.FAILED
            ended = connection.execute(
                sa.update(runs)
                .where(_mine(run), runs.c.status == RunStatus.CALLING)
                .values(
                    status=status,
                    finished_at=None if unknown else now(),
                    **_RELEASED,
                    **error_columns(failed),
                )
            ).rowcount
            if ended and self._tells_of(run):
                outbox.enqueue(connection, run, status, failed.code)
            names = {"run": run.run_id, "call": number}
            _recount(connection, names, reserved, _UNANSWERED_CALLS[error.outcome])

        self._database.write(end)

    def postpone(self, run: Run, number: int, error: ProviderError, seconds: float) -> None:
        """Record that the provider certainly did not process a request: the run waits to be sent again.

        The rest of its batch waits with it, because the provider would refuse the next request too. In a
        paused batch it waits for the batch; in a stopped one it fails.
        """

        def wait(connection: sa.Connection) -> bool:
            batch = _batch_status(connection, run)
            if batch == BatchStatus.STOPPED:
                return False
            reserved = _end_call(connection, run, number, error)
            due = None if batch == BatchStatus.PAUSED else now() + seconds
            postponed = connection.execute(
                sa.update(runs)
                .where(_mine(run), runs.c.status == RunStatus.CALLING)
                .values(status=RunStatus.QUEUED, due_at=due, **_RELEASED)
            ).rowcount
            if postponed and run.batch_id is not None:
                hold(connection, run.agent, seconds)
            _recount(connection, {"run": run.run_id, "call": number}, reserved, budgets.release)
            return True

        if not self._database.write(wait):
            self.end_call(run, number, error)

    def abandon_call(self, run: Run) -> None:
        """Mark the outcome of a run as unknown because its owner died with a request in flight."""
        self.end_call(
            run,
            run.attempts,
            ProviderError("The process that sent the request ended before an answer came", outcome="unknown"),
        )

    def refuse(self, run: Run, error: OverBudget) -> None:
        """End a claimed run that exceeds a budget; nothing was sent."""

        def end(connection: sa.Connection) -> None:
            ended = connection.execute(
                sa.update(runs)
                .where(_mine(run), runs.c.status == RunStatus.QUEUED)
                .values(status=RunStatus.FAILED, finished_at=now(), **_RELEASED, **error_columns(error))
            ).rowcount
            if ended and self._tells_of(run):
                outbox.enqueue(connection, run, RunStatus.FAILED, error.code)

        self._database.write(end)

    def block(self, run: Run, error: SecondlookError) -> None:
        """Record why a run cannot continue now; its status stays, and it can be picked up again."""
        self._write(
            sa.update(runs)
            .where(_mine(run), runs.c.status.in_((RunStatus.QUEUED, RunStatus.ANSWERED)))
            .values(**_RELEASED, **error_columns(error))
        )

    def finish(
        self,
        run: Run,
        *,
        error: SecondlookError | None = None,
        timings: Mapping[str, float],
        warnings: Sequence[str] = (),
    ) -> None:
        """End an answered run, done or failed with an error."""
        status = RunStatus.DONE if error is None else RunStatus.FAILED
        ended = {
            **_names(run),
            "status": status,
            "timings": dump({**run.timings, **timings}),
            "warnings": dump([*run.warnings, *warnings]),
            **error_columns(error),
        }

        def end(connection: sa.Connection) -> None:
            if connection.execute(FINISH, ended).rowcount and self._tells_of(run):
                outbox.enqueue(connection, run, status, None if error is None else error.code)

        # Soft: the answer is kept, and a worker that finds the run answered ends it in the same way.
        self._database.write_soft(end, WritePriority.FINISH)

    # -- a person's decisions -----------------------------------------------------------------------

    def resend(self, run_id: str, user_id: str) -> Run:
        """Queue a run with an unknown outcome again, which may be paid twice; other runs stay as they are.

        Raises:
            SourceNotFound: No such run, or another user's.
        """
        self._decide(
            run_id,
            user_id,
            runs.c.status == RunStatus.IN_DOUBT,
            status=RunStatus.QUEUED,
            due_at=0,
            error=None,
            error_code=None,
        )
        return self.get(run_id, user_id)

    def cancel(self, run_id: str, user_id: str) -> Run:
        """Cancel a run that is queued, of unknown outcome, or not storable; its answer is kept.

        Others are left as they are.

        Raises:
            SourceNotFound: No such run, or another user's.
        """
        self._decide(
            run_id,
            user_id,
            runs.c.status.in_((RunStatus.QUEUED, RunStatus.IN_DOUBT))
            | ((runs.c.status == RunStatus.ANSWERED) & runs.c.owner.is_(None) & runs.c.error.is_not(None)),
            status=RunStatus.CANCELLED,
            finished_at=now(),
        )
        return self.get(run_id, user_id)

    def _decide(self, run_id: str, user_id: str, which: sa.ColumnElement[bool], **values: object) -> None:
        self._write(
            sa.update(runs)
            .where(
                runs.c.run_id == canonical(run_id, "run_id"),
                runs.c.user_id == user_id,
                which,
            )
            .values(**_RELEASED, **values)
        )

    # -- reading ------------------------------------------------------------------------------------

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
        query = query.order_by(runs.c.created_at.desc(), runs.c.run_id).limit(limit).offset(offset)
        return self._database.read(lambda connection: [read_run(row) for row in connection.execute(query)])

    def of_batch(self, batch_id: str, user_id: str) -> list[Run]:
        """The runs of a batch of the user's, in the order in which they are released."""
        query = RUNS.where(runs.c.batch_id == batch_id, runs.c.user_id == user_id)
        query = query.order_by(runs.c.created_at, runs.c.run_id)
        return self._database.read(lambda connection: [read_run(row) for row in connection.execute(query)])

    def going_on(self, user_id: str) -> dict[str, str]:
        """The user's active runs outside of batches: the sources by the ids of the runs."""
        found = self._database.read(lambda connection: connection.execute(_GOING_ON).all())
        return {row.run_id: row.source_id for row in found if row.user_id == user_id}

    def latest(self, user_id: str, source_id: str, task: str = SNAPSHOT) -> Run | None:
        """The source's newest run of a task."""
        return self._database.read(lambda connection: newest_run(connection, user_id, source_id, task))

    def unfinished(self, user_id: str, source_id: str) -> list[str]:
        """The ids of the source's runs that are open or whose outcome is unknown, of any task."""
        query = sa.select(runs.c.run_id).where(
            runs.c.user_id == user_id, runs.c.source_id == source_id, has_status(*OPEN, RunStatus.IN_DOUBT)
        )
        return self._database.read(lambda connection: list(connection.scalars(query)))

    def submitted(self, user_id: str, key: str) -> tuple[str, str] | None:
        """The id of the run that this key of the user names, and the fingerprint it was submitted with."""
        query = sa.select(submissions.c.run_id, submissions.c.fingerprint).where(
            submissions.c.user_id == user_id, submissions.c.key == key
        )
        found = self._database.read(lambda connection: connection.execute(query).one_or_none())
        return None if found is None else (found.run_id, found.fingerprint)

    def name(self, run: Run, key: str, fingerprint: str) -> None:
        """Let a key name a run that was joined; one that names another already keeps it."""
        self._database.write(
            lambda connection: name_run(connection, run.user_id, key, fingerprint, run.run_id)
        )

    def claimable(self) -> list[OpenRun]:
        """The runs that may go on and that nobody owns, oldest first."""
        query = (
            sa.select(runs.c.run_id, runs.c.user_id, runs.c.status, runs.c.batch_id)
            .where(
                IS_OPEN,
                runs.c.due_at <= now(),
                runs.c.lease_until < now(),
                runs.c.store == self.store,
            )
            .order_by(runs.c.created_at)
        )
        found = self._database.read(lambda connection: connection.execute(query).all())
        return [
            OpenRun(row.run_id, row.user_id, RunStatus(row.status), in_batch=row.batch_id is not None)
            for row in found
        ]

    def handle_clock_rollback(self) -> None:
        """Detect whether the database's clock was set back, and shorten leases and waits accordingly."""
        clock.mind(self._database)

    def seconds_until_due(self) -> float | None:
        """Seconds until the next waiting run may be sent again; None where none waits."""
        query = sa.select(sa.func.min(runs.c.due_at) - now()).where(IS_OPEN, runs.c.due_at > now())
        return self._database.read(lambda connection: connection.scalar(query))

    def ping(self) -> None:
        """Check that the ledger can be written, and that writes are durable.

        Raises:
            LedgerUnavailable: It cannot, or does not.
        """

        def write(connection: sa.Connection) -> None:
            connection.execute(sa.update(runs).where(sa.false()).values(status=runs.c.status))
            if connection.dialect.name != "postgresql":
                return
            if connection.exec_driver_sql("show synchronous_commit").scalar_one() == "off":
                raise LedgerUnavailable(
                    "The ledger cannot be used: its synchronous_commit is off, "
                    "an answer would not survive a power cut",
                    hint="Set synchronous_commit to on for its database or role, then try again.",
                )

        self._check_room()
        self._database.write(write)

    def close(self) -> None:
        """Close the connections."""
        self._leases.close()
        self._database.close()

    # -- inside -------------------------------------------------------------------------------------

    def _tells_of(self, run: Run) -> bool:
        """Only real snapshots are announced: a message could not say that a run is a rehearsal or a trial."""
        return self._announces and run.makes_snapshot and not run.rehearsal

    def _check_room(self) -> None:
        if self._folder is None:
            return
        try:
            free = shutil.disk_usage(self._folder).free
        except OSError as error:
            raise LedgerUnavailable(f"The ledger's folder cannot be used: {error.strerror}") from None
        if free < MIN_FREE_BYTES:
            raise LedgerUnavailable(
                f"The ledger's disk has less than {MIN_FREE_BYTES // 2**20} MiB free; nothing was sent"
            )

    def _write(self, statement: sa.Update) -> None:
        self._database.write(lambda connection: connection.execute(statement))


def open_ledger(where: Path | str, *, lease_seconds: float) -> Ledger:
    """The ledger in an SQLite file, made where it does not exist, or in the Postgres database of a URL.

    Raises:
        LedgerUnavailable: It cannot be opened.
    """
    folder = where.parent if isinstance(where, Path) else None
    return Ledger(ledger_database(where), lease_seconds=lease_seconds, folder=folder)


# With the user among the conditions, SQLite would scan all runs of the user.
_GOING_ON = sa.select(runs.c.run_id, runs.c.user_id, runs.c.source_id).where(
    IS_OPEN,
    runs.c.due_at.is_not(None),
    runs.c.batch_id.is_(None),
)

_RELEASED: dict[str, Any] = {"owner": None, "lease_until": 0}


_Recount = Callable[[sa.Connection, Reservation], Reservation]

_UNANSWERED_CALLS: Mapping[Outcome, _Recount] = {
    "not_processed": budgets.release,
    "refused": lambda connection, reserved: budgets.settle(connection, reserved, 0),
    "unknown": lambda connection, reserved: budgets.settle(connection, reserved, None),
}
"""What happens to the reservation of a call without an answer, by the call's outcome."""


def _recount(
    connection: sa.Connection, names: Mapping[str, object], kept: str | None, change: _Recount
) -> None:
    """Change what a call counts for. Last in its transaction: the budgets' rows are locked last."""
    if kept is not None:  # calls from before there were budgets have none
        changed = change(connection, Reservation.load(kept))
        connection.execute(RECOUNT, {**names, "reservation": changed.dump()})


def _batch_status(connection: sa.Connection, run: Run) -> str | None:
    """The status of the run's batch, locked until the transaction ends."""
    query = sa.select(batches.c.status).where(batches.c.batch_id == run.batch_id).with_for_update()
    return None if run.batch_id is None else connection.scalar(query)


def _end_call(connection: sa.Connection, run: Run, number: int, error: ProviderError) -> str | None:
    """Record once how a call ended without an answer.

    Returns:
        What the budgets count for it; None where its end was recorded already.
    """
    ended = (
        sa.update(calls)
        .where(calls.c.run_id == run.run_id, calls.c.number == number, calls.c.outcome.is_(None))
        .values(
            ended_at=now(),
            outcome=error.outcome,
            http_status=error.status,
            error=error.message,
            request_id=error.request_id,
        )
        .returning(calls.c.reservation)
    )
    return connection.scalar(ended)


def _names(run: Run) -> dict[str, object]:
    """The parameters that identify an owner's run in the statements."""
    return {"run": run.run_id, "its_owner": run.owner or "nobody"}


def _mine(run: Run) -> sa.ColumnElement[bool]:
    return (runs.c.run_id == run.run_id) & (runs.c.owner == (run.owner or "nobody"))
