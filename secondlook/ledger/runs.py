"""Runs and their legal transitions.

The ledger owns the guarantees; workers are disposable.

    queued ──▶ calling ──▶ answered ──▶ done
      │           ├──▶ failed ◀──┘
      │           └──▶ in_doubt ──▶ queued (a person retries it)
      │                   └──▶ answered (a late answer, also of a run that is queued again)
      └───────────────────┴──▶ cancelled (a person cancels it)

- One open run per source, task and subject, even if its outcome is unknown: a unique index.
- One owner per run: a claim by compare-and-set, and a lease that its owner extends while it lives.
- One call at a time: only a queued run can start one. If the owner dies after that, the run stays
  `calling`; the next claim can only mark its outcome as unknown.
- No answer is lost: it is journaled whole before anything reads it, even if it comes late.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path

import sqlalchemy as sa

from secondlook.connections.database import Database
from secondlook.connections.write_priority import WritePriority
from secondlook.domain.answers import AgentAnswer
from secondlook.domain.batches import BatchStatus
from secondlook.domain.budgets import Limits
from secondlook.domain.identifiers import canonical
from secondlook.domain.runs import TRIAL, Plan, Run, RunStatus
from secondlook.errors import LedgerUnavailable, OverBudget, ProviderError, SecondlookError
from secondlook.ledger import calls, clock, outbox, statements
from secondlook.ledger.batches import hold_status
from secondlook.ledger.database import ledger_database
from secondlook.ledger.durability import check_durable, check_room
from secondlook.ledger.leases import Leases
from secondlook.ledger.rate_limits import hold
from secondlook.ledger.rows import dump, error_columns, in_doubt, read_run
from secondlook.ledger.run_queries import Runs
from secondlook.ledger.submissions import name_run, queue_run

JOURNAL_PATIENCE_SECONDS = 120
"""How long an answer waits, in memory, for a ledger that cannot be written."""


class Ledger(Runs):
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
        super().__init__(database, store)
        self._folder = folder
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

        check_room(self._folder)
        # Soft without a key: a run that a power cut undoes was not sent, and is requested again.
        return self._database.write_soft(submit) if key is None else self._database.write(submit)

    def name(self, run: Run, key: str, fingerprint: str) -> None:
        """Let a key name a run that was joined; one that names another already keeps it."""
        self._database.write(
            lambda connection: name_run(connection, run.user_id, key, fingerprint, run.run_id)
        )

    # -- executing ----------------------------------------------------------------------------------

    def claim(self, run_id: str, owner: str) -> Run | None:
        """Claim a run that nobody owns; None where another worker owns it, or nothing is left to do."""
        here = {"its_store": self.store, "lease_seconds": self.lease_seconds}
        values = {"run": run_id, "its_owner": owner, **here}
        # Soft, because it can be repeated: after a power cut nobody owns the run.
        row = self._database.write_soft(
            lambda c: c.execute(statements.CLAIM, values).one_or_none(), WritePriority.CLAIM
        )
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
                    self._write(statements.RELEASE, _names(run))
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
        check_room(self._folder)
        number = run.attempts + 1
        values = {**_names(run), "call": number, "lease_seconds": self.lease_seconds}

        def begin(connection: sa.Connection) -> bool:
            started = connection.execute(statements.BEGIN_CALL, values).rowcount == 1
            if started:
                calls.note(connection, run, number, self._limits, ceiling)
            return started

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
        give_up = time.monotonic() + JOURNAL_PATIENCE_SECONDS
        while True:
            try:
                return self._database.write(lambda c: calls.keep_answer(c, run_id, number, answer, cost))
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
            status = RunStatus.IN_DOUBT if unknown else RunStatus.FAILED
            with calls.ended(connection, run, number, error):
                self._leave(connection, run, RunStatus.CALLING, status, failed)

        self._database.write(end)

    def postpone(self, run: Run, number: int, error: ProviderError, seconds: float) -> None:
        """Record that the provider certainly did not process a request: the run waits to be sent again.

        The rest of its batch waits with it, because the provider would refuse the next request too. In a
        paused batch it waits for the batch; in a stopped one it fails.
        """

        def postpone(connection: sa.Connection) -> bool:
            batch = None if run.batch_id is None else hold_status(connection, run.batch_id)
            if batch == BatchStatus.STOPPED:
                return False
            wait = None if batch == BatchStatus.PAUSED else seconds
            values = {**_names(run), "its_status": RunStatus.CALLING, "seconds": wait}
            with calls.ended(connection, run, number, error):
                if connection.execute(statements.POSTPONE, values).rowcount and run.batch_id is not None:
                    hold(connection, run.agent, seconds)
            return True

        if not self._database.write(postpone):
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
        self._database.write(
            lambda connection: self._leave(connection, run, RunStatus.QUEUED, RunStatus.FAILED, error)
        )

    def block(self, run: Run, error: SecondlookError) -> None:
        """Record why a run cannot continue now; its status stays, and it can be picked up again."""
        self._write(statements.BLOCK, {**_names(run), **error_columns(error)})

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
        all_timings, all_warnings = dump({**run.timings, **timings}), dump([*run.warnings, *warnings])
        columns = {"timings": all_timings, "warnings": all_warnings}

        def end(connection: sa.Connection) -> None:
            self._leave(connection, run, RunStatus.ANSWERED, status, error, **columns)

        # Soft: the answer is kept, and a worker that finds the run answered ends it in the same way.
        self._database.write_soft(end, WritePriority.FINISH)

    # -- a person's decisions -----------------------------------------------------------------------

    def resend(self, run_id: str, user_id: str) -> Run:
        """Queue a run with an unknown outcome again, which may be paid twice; other runs stay as they are.

        Raises:
            SourceNotFound: No such run, or another user's.
        """
        return self._decide(statements.RESEND, run_id, user_id)

    def cancel(self, run_id: str, user_id: str) -> Run:
        """Cancel a run that is queued, of unknown outcome, or not storable; its answer is kept.

        Others are left as they are.

        Raises:
            SourceNotFound: No such run, or another user's.
        """
        return self._decide(statements.CANCEL, run_id, user_id)

    def _decide(self, decision: sa.Update, run_id: str, user_id: str) -> Run:
        self._write(decision, {"run": canonical(run_id, "run_id"), "its_user": user_id})
        return self.get(run_id, user_id)

    # -- the database -------------------------------------------------------------------------------

    def handle_clock_rollback(self) -> None:
        """Detect whether the database's clock was set back, and shorten leases and waits accordingly."""
        clock.mind(self._database)

    def ping(self) -> None:
        """Check that the ledger can be written, and that writes are durable.

        Raises:
            LedgerUnavailable: It cannot, or does not.
        """
        check_room(self._folder)
        self._database.write(check_durable)

    def close(self) -> None:
        """Close the connections."""
        self._leases.close()
        self._database.close()

    # -- inside -------------------------------------------------------------------------------------

    def _leave(
        self,
        connection: sa.Connection,
        run: Run,
        before: RunStatus,
        after: RunStatus,
        error: SecondlookError | None,
        **columns: str,
    ) -> None:
        """End the owner's part in a run, and announce what became of it."""
        values = {**_names(run), "its_status": before, "status": after, **error_columns(error), **columns}
        statement = statements.LEAVE if after is RunStatus.IN_DOUBT else statements.END
        # A message could not say that a run is a rehearsal or a trial.
        tells = self._announces and run.task != TRIAL and not run.rehearsal
        if connection.execute(statement, values).rowcount and tells:
            outbox.enqueue(connection, run, after, None if error is None else error.code)

    def _write(self, statement: sa.Update, values: Mapping[str, object]) -> None:
        self._database.write(lambda connection: connection.execute(statement, values))


def open_ledger(where: Path | str, *, lease_seconds: float) -> Ledger:
    """The ledger in an SQLite file, made where it does not exist, or in the Postgres database of a URL.

    Raises:
        LedgerUnavailable: It cannot be opened.
    """
    folder = where.parent if isinstance(where, Path) else None
    return Ledger(ledger_database(where), lease_seconds=lease_seconds, folder=folder)


def _names(run: Run) -> dict[str, object]:
    """The parameters that identify an owner's run in the statements."""
    return {"run": run.run_id, "its_owner": run.owner or "nobody"}
