"""What happened, and which transitions are legal.

The ledger owns the guarantees; whoever carries a run is disposable.

    queued ──▶ calling ──▶ answered ──▶ done
      │           ├──▶ failed ◀──┘
      │           └──▶ in_doubt ──▶ queued (a person sends it again)
      │                   └──▶ answered (a late answer, also of a run that is queued again)
      └───────────────────┴──▶ cancelled (a person gives it up)

- One unsettled run a source: a unique index.
- One carrier a run: a claim by compare-and-set, and a lease that its carrier extends while it lives.
- One call at a time: only a queued run can begin one. A carrier that dies after that leaves the run
  `calling`; whoever claims it next can only find it in doubt.
- No answer lost: it is journaled, whole, before anything looks at it, and also where it comes late.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa

from secondlook.database import Database, insert_new, now, postgres_engine, sqlite_engine
from secondlook.errors import LedgerUnavailable, ProviderError, SecondlookError
from secondlook.ledger.rows import ANSWER, NANO, UNANSWERED, dump, error_columns, in_doubt, iso, read_run
from secondlook.ledger.tables import MIGRATIONS, calls, runs, submissions
from secondlook.models import AgentAnswer, Plan, Run, RunStatus
from secondlook.validation.identifiers import canonical, not_found

MIN_FREE_BYTES = 16 * 1024 * 1024
"""Nothing is sent with less than this free on the ledger's disk: the answer could not be kept."""

JOURNAL_PATIENCE_SECONDS = 120
"""How long an answer waits, in memory, for a ledger that cannot be written."""

_OPEN = tuple(status for status in RunStatus if status.active)


class OpenRun(NamedTuple):
    """A run that may go on."""

    run_id: str
    user_id: str
    status: RunStatus


class Ledger:
    """The ledger on one database, shared by any number of threads and processes.

    Args:
        database: The database; others may keep tables of theirs in it.
        lease_seconds: How long a carrier may be silent before its run can be claimed by another.
        folder: Where an embedded database lies; its free space is watched.
        store: The store that runs are queued for and carried with here: a ledger may outlast it.
    """

    def __init__(
        self,
        database: Database,
        *,
        lease_seconds: float,
        folder: Path | None = None,
        store: str = "embedded",
    ) -> None:
        self._database = database
        self._folder = folder
        self.store = store
        self.lease_seconds = lease_seconds
        self._database.migrate(MIGRATIONS)

    # -- submitting ---------------------------------------------------------------------------------

    def submit(
        self, run_id: str, plan: Plan, *, number: int, key: str | None = None, fingerprint: str = ""
    ) -> Run:
        """Queue a run, or join the one that somebody else queued meanwhile, whatever became of it.

        A key names one run of its user for good: a submission with a key that is taken gets the run that it
        names, whatever it asks for. Whether it asks for the same is told by `submitted`'s fingerprint.

        Args:
            run_id: The new run's id.
            plan: What it is to do.
            number: Which run of the source it is: one more than that of the newest that the caller saw.
            key: What the caller calls this submission, so that it can be repeated.
            fingerprint: What the submission asks for, to be kept with its key.

        Raises:
            InDoubt: The source's last run is in doubt; a person settles it first. The key stays free.
            LedgerUnavailable: Nothing was queued.
        """
        row = {
            "run_id": run_id,
            "source_id": plan.source_id,
            "user_id": plan.user_id,
            "number": number,
            "agent": plan.agent,
            "model": plan.model,
            "prompt_version": plan.prompt_version,
            "input": plan.agent_input.model_dump_json(),
            "request": dump(plan.request),
            "warnings": dump(plan.warnings),
            "status": RunStatus.QUEUED,
            "timings": dump(plan.timings),
            "attempts": 0,
            "lease_until": 0,
            "created_at": now(),
            "store": self.store,
        }
        name = {
            "user_id": plan.user_id,
            "key": key,
            "fingerprint": fingerprint,
            "run_id": run_id,
            "created_at": now(),
        }
        named = (submissions.c.user_id == plan.user_id) & (submissions.c.key == key)

        def queue(connection: sa.Connection) -> Run:
            # The key first: of two submissions with one key, the second waits here for the end of the first.
            if key is not None and not _first(connection, name):
                taken = connection.execute(sa.select(submissions.c.run_id).where(named)).scalar_one()
                return _select(connection, runs.c.run_id == taken, limit=1)[0]
            # Two unique indexes decide who is first: one unsettled run a source, one run of each number.
            insert = insert_new(connection, runs).values(row).returning(*UNANSWERED)
            queued = connection.execute(insert).one_or_none()
            if queued is not None:
                return read_run(queued)
            newest = _newest(connection, plan.user_id, plan.source_id)
            if newest is None:
                raise LedgerUnavailable("The ledger does not take the run")
            if newest.status is RunStatus.IN_DOUBT:
                raise in_doubt(newest)
            if key is not None:
                connection.execute(sa.update(submissions).where(named).values(run_id=newest.run_id))
            return newest

        self._check_room()
        return self._database.write(queue)

    # -- carrying -----------------------------------------------------------------------------------

    def claim(self, run_id: str, owner: str) -> Run | None:
        """Take a run that nobody carries; None where somebody does, or where nothing is left to do."""
        claim = (
            sa.update(runs)
            .where(
                runs.c.run_id == run_id,
                runs.c.store == self.store,
                runs.c.status.in_(_OPEN),
                runs.c.lease_until < now(),
            )
            .values(
                owner=owner,
                lease_until=self._lease(),
                started_at=sa.func.coalesce(runs.c.started_at, now()),
                error=None,  # why it could not go on is past
                error_code=None,
            )
            .returning(*UNANSWERED)
        )
        row = self._database.write(lambda connection: connection.execute(claim).one_or_none())
        if row is None:
            return None
        return self.get(run_id) if row.status == RunStatus.ANSWERED else read_run(row)

    @contextmanager
    def held(self, run: Run) -> Generator[None]:
        """Extend the lease of a claimed run for as long as the block runs.

        Every transition that ends the carrier's part lets the run go by itself; an exception does so here.
        """
        stop = threading.Event()

        def beat() -> None:
            while not stop.wait(self.lease_seconds / 3):
                with suppress(LedgerUnavailable):
                    self._write(sa.update(runs).where(_mine(run)).values(lease_until=self._lease()))

        heart = threading.Thread(target=beat, name="secondlook-lease", daemon=True)
        heart.start()
        try:
            yield
        except BaseException:
            with suppress(LedgerUnavailable):
                self._write(sa.update(runs).where(_mine(run)).values(_LET_GO))
            raise
        finally:
            stop.set()
            heart.join()

    def begin_call(self, run: Run) -> int | None:
        """Note, before sending, that a request goes out.

        Returns:
            The call's number; None where the run was taken away meanwhile: nothing may be sent.

        Raises:
            LedgerUnavailable: Nothing may be sent: it could not be noted, or the answer not kept.
        """
        self._check_room()
        number = run.attempts + 1

        def begin(connection: sa.Connection) -> bool:
            begun = connection.execute(
                sa.update(runs)
                .where(_mine(run), runs.c.status == RunStatus.QUEUED, runs.c.attempts == run.attempts)
                .values(status=RunStatus.CALLING, attempts=number, lease_until=self._lease())
            ).rowcount
            if begun:
                connection.execute(sa.insert(calls).values(run_id=run.run_id, number=number, sent_at=now()))
            return bool(begun)

        return number if self._database.write(begin) else None

    def journal(self, run_id: str, number: int, answer: AgentAnswer) -> bool:
        """Keep an answer, durably, whatever became of the run meanwhile; the first answer counts.

        Returns:
            True where this is the answer that counts.

        Raises:
            LedgerUnavailable: The ledger could not be written for JOURNAL_PATIENCE_SECONDS.
        """
        kept = {
            "ended_at": now(),
            "outcome": "answered",
            **answer.model_dump(exclude={"usage"}),
            **answer.usage.model_dump(),
        }

        def keep(connection: sa.Connection) -> bool:
            connection.execute(
                sa.update(calls).where(calls.c.run_id == run_id, calls.c.number == number).values(kept)
            )
            connection.execute(
                sa.update(runs)
                .where(
                    runs.c.run_id == run_id,
                    runs.c.answered_call.is_(None),
                    runs.c.status.in_((RunStatus.QUEUED, RunStatus.CALLING, RunStatus.IN_DOUBT)),
                )
                .values(
                    status=RunStatus.ANSWERED,
                    answered_call=number,
                    generated_at=iso(time.time()),
                    error=None,
                    error_code=None,
                    finished_at=None,
                )
            )
            # Not whether it was just updated: a server may have gone after a commit and before it said so.
            return connection.scalar(sa.select(_answered(run_id))) == number

        give_up = time.monotonic() + JOURNAL_PATIENCE_SECONDS
        while True:
            try:
                return self._database.write(keep)
            except LedgerUnavailable:
                if time.monotonic() > give_up:
                    raise
                time.sleep(0.5)

    def end_call(self, run: Run, number: int, error: ProviderError) -> None:
        """Note that a call brought no answer: the run has failed, or is in doubt where nobody knows."""
        unknown = error.outcome == "unknown"
        failed = in_doubt(run, error.message) if unknown else error

        def end(connection: sa.Connection) -> None:
            connection.execute(
                sa.update(calls)
                .where(calls.c.run_id == run.run_id, calls.c.number == number, calls.c.outcome.is_(None))
                .values(
                    ended_at=now(),
                    outcome=error.outcome,
                    http_status=error.status,
                    error=error.message,
                    request_id=error.request_id,
                )
            )
            connection.execute(
                sa.update(runs)
                .where(_mine(run), runs.c.status == RunStatus.CALLING)
                .values(
                    status=RunStatus.IN_DOUBT if unknown else RunStatus.FAILED,
                    finished_at=None if unknown else now(),
                    **_LET_GO,
                    **error_columns(failed),
                )
            )

        self._database.write(end)

    def abandon_call(self, run: Run) -> None:
        """Find a run in doubt whose carrier ended with a request out."""
        self.end_call(
            run,
            run.attempts,
            ProviderError("The process that sent the request ended before an answer came", outcome="unknown"),
        )

    def price(self, run_id: str, number: int, cost: Decimal | None) -> None:
        """Note what an answer has cost that came too late to count."""
        self._write(
            sa.update(calls)
            .where(calls.c.run_id == run_id, calls.c.number == number)
            .values(cost_nanousd=_nano(cost))
        )

    def hold_up(self, run: Run, error: SecondlookError) -> None:
        """Note why a run cannot go on now; it stays as it is, and can be taken up again."""
        self._write(
            sa.update(runs)
            .where(_mine(run), runs.c.status.in_((RunStatus.QUEUED, RunStatus.ANSWERED)))
            .values(**_LET_GO, **error_columns(error))
        )

    def finish(
        self,
        run: Run,
        *,
        cost: Decimal | None,
        error: SecondlookError | None = None,
        timings: Mapping[str, float],
        warnings: Sequence[str] = (),
    ) -> None:
        """End an answered run, done or failed with an error, and note what its answer has cost."""

        def end(connection: sa.Connection) -> None:
            ended = connection.execute(
                sa.update(runs)
                .where(_mine(run), runs.c.status == RunStatus.ANSWERED)
                .values(
                    status=RunStatus.DONE if error is None else RunStatus.FAILED,
                    finished_at=now(),
                    timings=dump({**run.timings, **timings}),
                    warnings=dump([*run.warnings, *warnings]),
                    **_LET_GO,
                    **error_columns(error),
                )
            ).rowcount
            if ended:
                connection.execute(
                    sa.update(calls)
                    .where(calls.c.run_id == run.run_id, calls.c.number == _answered(run.run_id))
                    .values(cost_nanousd=_nano(cost))
                )

        self._database.write(end)

    # -- a person's decisions -----------------------------------------------------------------------

    def resend(self, run_id: str, user_id: str) -> Run:
        """Queue a run in doubt again, knowing that it may be paid twice; others are left as they are.

        Raises:
            SourceNotFound: No such run, or another user's.
        """
        self._settle(
            run_id,
            user_id,
            runs.c.status == RunStatus.IN_DOUBT,
            status=RunStatus.QUEUED,
            error=None,
            error_code=None,
        )
        return self.get(run_id, user_id)

    def cancel(self, run_id: str, user_id: str) -> Run:
        """Give up a run that is queued, in doubt, or answered and cannot be stored: its answer is kept.

        Others are left as they are.

        Raises:
            SourceNotFound: No such run, or another user's.
        """
        self._settle(
            run_id,
            user_id,
            runs.c.status.in_((RunStatus.QUEUED, RunStatus.IN_DOUBT))
            | ((runs.c.status == RunStatus.ANSWERED) & runs.c.owner.is_(None) & runs.c.error.is_not(None)),
            status=RunStatus.CANCELLED,
            finished_at=now(),
        )
        return self.get(run_id, user_id)

    def _settle(self, run_id: str, user_id: str, which: sa.ColumnElement[bool], **values: object) -> None:
        self._write(
            sa.update(runs)
            .where(
                runs.c.run_id == canonical(run_id, "run_id"),
                runs.c.user_id == user_id,
                which,
            )
            .values(**_LET_GO, **values)
        )

    # -- reading ------------------------------------------------------------------------------------

    def get(self, run_id: str, user_id: str | None = None) -> Run:
        """A run, of this user where one is named.

        Raises:
            SourceNotFound: No such run, or another user's.
        """
        where = [runs.c.run_id == canonical(run_id, "run_id")]
        if user_id is not None:
            where.append(runs.c.user_id == user_id)
        found = self._database.read(lambda connection: _select(connection, *where, limit=1))
        if not found:
            raise not_found("run_id")
        return found[0]

    def list(
        self, user_id: str, *, status: RunStatus | None = None, limit: int | None = None, offset: int = 0
    ) -> list[Run]:
        """A user's runs, newest first."""
        where = [runs.c.user_id == user_id]
        if status is not None:
            where.append(runs.c.status == status)
        return self._database.read(lambda connection: _select(connection, *where, limit=limit, offset=offset))

    def latest(self, user_id: str, source_id: str) -> Run | None:
        """The source's newest run."""
        return self._database.read(lambda connection: _newest(connection, user_id, source_id))

    def submitted(self, user_id: str, key: str) -> tuple[str, str] | None:
        """The id of the run that this key of the user names, and the fingerprint it was submitted with."""
        query = sa.select(submissions.c.run_id, submissions.c.fingerprint).where(
            submissions.c.user_id == user_id, submissions.c.key == key
        )
        found = self._database.read(lambda connection: connection.execute(query).one_or_none())
        return None if found is None else (found.run_id, found.fingerprint)

    def name(self, run: Run, key: str, fingerprint: str) -> None:
        """Let a key name a run that was joined; one that names another already keeps it."""
        row = {
            "user_id": run.user_id,
            "key": key,
            "fingerprint": fingerprint,
            "run_id": run.run_id,
            "created_at": now(),
        }
        self._database.write(lambda connection: _first(connection, row))

    def claimable(self) -> list[OpenRun]:
        """The runs that may go on and that nobody carries, oldest first."""
        query = (
            sa.select(runs.c.run_id, runs.c.user_id, runs.c.status)
            .where(runs.c.status.in_(_OPEN), runs.c.lease_until < now(), runs.c.store == self.store)
            .order_by(runs.c.created_at)
        )
        found = self._database.read(lambda connection: connection.execute(query).all())
        return [OpenRun(row.run_id, row.user_id, RunStatus(row.status)) for row in found]

    def ping(self) -> None:
        """See that the ledger can be written, and that what is written stays.

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
        self._database.close()

    # -- inside -------------------------------------------------------------------------------------

    def _lease(self) -> sa.ColumnElement[float]:
        return now() + self.lease_seconds

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
    database = ledger_database(where)
    try:
        folder = where.parent if isinstance(where, Path) else None
        return Ledger(database, lease_seconds=lease_seconds, folder=folder)
    except BaseException:
        database.close()
        raise


def ledger_database(where: Path | str) -> Database:
    """The ledger's database, without a connection yet: an SQLite file, or a Postgres URL.

    Raises:
        LedgerUnavailable: It is no Postgres URL. No message has any part of a URL that may be a password's.
    """
    if isinstance(where, Path):
        return Database(sqlite_engine(where), _unavailable)

    def unavailable(words: str) -> LedgerUnavailable:
        return _unavailable(words, hint="See that its Postgres runs and lets this user in, then try again.")

    try:
        return Database(postgres_engine(where), unavailable)
    except ValueError as error:
        raise _unavailable(str(error), hint="Correct SECONDLOOK_LEDGER_URL.") from None


def _unavailable(words: str, *, hint: str | None = None) -> LedgerUnavailable:
    return LedgerUnavailable(f"The ledger cannot be used: {words}", hint=hint)


def _select(
    connection: sa.Connection,
    *where: sa.ColumnElement[bool],
    order: Sequence[sa.ColumnElement[Any]] = (runs.c.created_at.desc(), runs.c.run_id),
    limit: int | None,
    offset: int = 0,
) -> list[Run]:
    query = (
        sa.select(runs, *ANSWER, now().label("now"))
        .outerjoin(calls, (calls.c.run_id == runs.c.run_id) & (calls.c.number == runs.c.answered_call))
        .where(*where)
        .order_by(*order)
        .limit(limit)
        .offset(offset)
    )
    return [read_run(row) for row in connection.execute(query)]


def _first(connection: sa.Connection, name: Mapping[str, object]) -> bool:
    # What it returns, not how many rows it says: of an insert that did nothing a driver need not know it.
    insert = insert_new(connection, submissions).values(name).returning(submissions.c.run_id)
    return connection.execute(insert).one_or_none() is not None


def _newest(connection: sa.Connection, user_id: str, source_id: str) -> Run | None:
    where = (runs.c.user_id == user_id, runs.c.source_id == source_id)
    found = _select(connection, *where, order=(runs.c.number.desc(),), limit=1)
    return found[0] if found else None


_LET_GO: dict[str, Any] = {"owner": None, "lease_until": 0}


def _nano(cost: Decimal | None) -> int | None:
    return None if cost is None else int((cost * NANO).to_integral_value())


def _mine(run: Run) -> sa.ColumnElement[bool]:
    return (runs.c.run_id == run.run_id) & (runs.c.owner == (run.owner or "nobody"))


def _answered(run_id: str) -> sa.ScalarSelect[Any]:
    return sa.select(runs.c.answered_call).where(runs.c.run_id == run_id).scalar_subquery()
