"""Queues runs and has them executed: in the caller's thread, in this process's threads, or by workers."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, nullcontext

from secondlook.domain.access import Access
from secondlook.domain.identifiers import canonical
from secondlook.domain.runs import Run, SnapshotRun
from secondlook.errors import SecondlookError
from secondlook.execution.accesses import Admission
from secondlook.execution.pool import Pool
from secondlook.execution.sweep import SWEEP_SECONDS, Sweep
from secondlook.pipeline.execute import execute
from secondlook.pipeline.outcome import outcome
from secondlook.pipeline.submit import check_store
from secondlook.services import Services, connect
from secondlook.settings import Settings
from secondlook.telemetry.log import log_failed

_POLL_SECONDS = 0.1


def run_snapshot(*, source_id: str, user_id: str, regenerate: bool = False) -> SnapshotRun:
    """Make a snapshot of a source, in the caller's own thread; the settings come from the environment.

    While a run of the source is active, this joins it: two callers get the same snapshot, paid for once.
    On Supabase it acts by the project's secret key.

    Args:
        source_id: The source's UUID.
        user_id: Its owner's UUID.
        regenerate: Make another one of a source that has a snapshot.

    Raises:
        SecondlookError: With a stable `code`, a `message`, a `hint`, and, once something was sent, the
            `run_id`.
    """
    services = connect()
    runner = Runner(services)
    run = runner.submit(source_id, services.own_access(canonical(user_id)), regenerate=regenerate)
    return outcome(runner.execute(run.run_id))


def batch_threads(settings: Settings) -> int:
    """So many threads that storing answers never delays sending requests."""
    return 2 * settings.concurrency


class Runner:
    """Queues and executes runs in one process.

    Args:
        services: The parts to work with.
    """

    def __init__(self, services: Services) -> None:
        self.services = services
        self._admission = Admission(services)
        self._pool = Pool(self.pick_up, batch_threads=batch_threads(services.settings))
        self._sweep = Sweep(services, self._admission.may_execute, self._start)

    def admit(self, access: Access) -> None:
        """Let runs of this user continue with their access; the sweep picks up those that waited for it."""
        self._admission.admit(access)

    def submit(
        self,
        source_id: str,
        access: Access,
        *,
        regenerate: bool = False,
        key: str | None = None,
        rehearsal: str | None = None,
    ) -> Run:
        """Check a source and queue a run of it with its user's access; see `Door.submit`.

        Raises:
            SecondlookError: The source is refused, or there are no rehearsals here; there is no run.
        """
        services = self.services
        if rehearsal is not None:
            services.refuse_rehearsal()
        return services.door.submit(
            source_id,
            access.user_id,
            lambda: services.store(access),
            regenerate=regenerate,
            key=key,
            rehearsal=rehearsal,
        )

    def explain(
        self, snapshot_id: str, access: Access, *, regenerate: bool = False, key: str | None = None
    ) -> Run:
        """Queue a run about a snapshot's insights, or return the one that is there; see `Door.explain`.

        Raises:
            SecondlookError: There is no such snapshot, or nothing may be sent; there is no run.
        """
        services = self.services
        return services.door.explain(
            snapshot_id, access.user_id, lambda: services.store(access), regenerate=regenerate, key=key
        )

    def execute(self, run_id: str) -> Run:
        """Execute a run to its end in this thread, or wait for the worker that executes it.

        Returns:
            The run: done, failed, canceled, or its outcome unknown.

        Raises:
            StoreUnavailable: The answer is kept and not stored yet.
            NotSignedIn: Nobody may act for the run's user now; it goes on at their next sign-in.
            LedgerUnavailable: The run goes on once the ledger can be written.
            ApiKeyMissing: The run's provider needs a key, and there is none any more.
        """
        while True:
            try:
                self._execute(run_id)
            except SecondlookError as error:
                error.run_id = run_id
                raise
            run = self.services.ledger.get(run_id)
            if not run.status.active:
                return run
            check_store(run, self.services.store_name)
            time.sleep(_POLL_SECONDS if run.waits_ms is None else min(run.waits_ms / 1000, SWEEP_SECONDS))
            self.services.ledger.handle_clock_rollback()

    def start(self, run_id: str, *, in_batch: bool = False) -> None:
        """Execute a run in a thread, or dispatch it to the workers; the caller may go away."""
        dispatcher = self.services.dispatcher
        if dispatcher is None:
            self._pool.start(run_id, in_batch=in_batch)
            return
        try:
            dispatcher(run_id, in_batch)
        except SecondlookError as error:
            log_failed(f"Run {run_id}", error.code)  # it is queued: the workers' sweep finds it

    def look_again(self) -> None:
        """Check at once which runs batches may release."""
        self._sweep.look_again()

    def resume(self) -> list[Run]:
        """Execute every open run, one after the other. No request is sent twice."""
        picked_up = [run.run_id for run in self._sweep.claimable()]
        for run_id in picked_up:
            self.pick_up(run_id)
        return [self.services.ledger.get(run_id) for run_id in picked_up]

    @contextmanager
    def sweeping(self, *, for_workers: bool = False) -> Generator[None]:
        """Pick up open runs repeatedly while the block runs; then wait for those in flight.

        Args:
            for_workers: Whether this is a worker: open runs are announced to all workers.
        """
        webhook = self.services.webhook
        with webhook.delivering() if webhook is not None else nullcontext():
            try:
                with self._sweep.sweeping(for_workers=for_workers):
                    yield
            finally:
                self._pool.drain()

    def pick_up(self, run_id: str, in_batch: bool = False) -> None:
        """Execute a run in this thread as far as possible; an error that blocks it is logged and recorded.

        The next run of a batch is released as soon as this one's answer is kept, and again when it ends, so
        that no slot stays empty.
        """
        look_again = self.look_again if in_batch else lambda: None
        try:
            self._execute(run_id, answered=look_again)
        except SecondlookError as error:
            log_failed(f"Run {run_id}", error.code)
        except Exception as error:  # noqa: BLE001 -- a message or a traceback could hold an answer
            log_failed(f"Run {run_id}", type(error).__name__)
        look_again()

    def _start(self, run_id: str, in_batch: bool) -> None:
        self.start(run_id, in_batch=in_batch)

    def _execute(self, run_id: str, answered: Callable[[], None] = lambda: None) -> None:
        services = self.services
        execute(
            run_id,
            stores=self._admission.store,
            agents=services.agent,
            ledger=services.ledger,
            retries=services.retries,
            production=services.settings.production,
            answered=answered,
        )
