"""Carries runs on this machine, outside any page, or has workers carry them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext

from secondlook.domain.access import Access
from secondlook.domain.batches import Batch
from secondlook.domain.identifiers import canonical, new_run_id
from secondlook.domain.runs import Plan, Run, RunStatus, SnapshotRun
from secondlook.errors import (
    NotSignedIn,
    RequestInvalid,
    SecondlookError,
    SettingInvalid,
)
from secondlook.ledger.rows import nano
from secondlook.ledger.runs import OpenRun
from secondlook.pipeline.orchestrator import ceiling_of, execute, prepare
from secondlook.pipeline.outcome import outcome
from secondlook.services import Dispatcher, Services, connect
from secondlook.settings import Settings
from secondlook.stores.base import Store
from secondlook.telemetry.log import log_failed

WORKERS = 8
SWEEP_SECONDS = 5
_WORKERS_SWEEP_SECONDS = 1  # nobody else begins a batch that a command has queued
_POLL_SECONDS = 0.1
_FEED_SECONDS = 0.25
_GATHER_SECONDS = 0.005  # runs that end together are followed by one look


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
    """So many that what has been answered and is being stored keeps nothing from being sent."""
    return 2 * settings.concurrency


def _check_store(run: Run, store: str) -> None:
    if run.store != store:
        raise SettingInvalid(
            f"The run belongs to the store {run.store}, and the settings mean {store}",
            hint="Set SUPABASE_URL as it was, or give the run up.",
        )


class Runner:
    """Submits runs and carries them, here or in threads of its own, or hands them to workers.

    Args:
        services: The parts to work with.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._pools: dict[bool, ThreadPoolExecutor] = {}
        self._stop = threading.Event()
        self._look_again = threading.Event()
        self._sweeps = False
        self._busy: set[str] = set()
        self._accesses: dict[str, Access] = {}
        self._lock = threading.Lock()

    def admit(self, access: Access) -> None:
        """Let runs of this user go on by their access; runs that waited for it are taken up by the sweep."""
        if access.token is None:
            return
        with self._lock:
            known = self._accesses.get(access.user_id)
            if access.renews or known is None or not known.renews:  # a short token does not replace a session
                self._accesses[access.user_id] = access

    def submit(
        self,
        source_id: str,
        access: Access,
        *,
        regenerate: bool = False,
        key: str | None = None,
    ) -> Run:
        """Check a source and queue a run of it, or join its active one. Nothing is sent yet.

        Args:
            source_id: The source's UUID.
            access: Who asks, and whose source it must be.
            regenerate: Whether a source that has a snapshot may be run.
            key: An Idempotency-Key: the same one gives the same run again, whatever became of it.

        Raises:
            SecondlookError: The source is refused; there is no run.
        """
        source_id = canonical(source_id)
        asked = f"{source_id} {regenerate}"
        named = self._named(access.user_id, key, asked)
        if named is not None:
            return named
        run = self._queue_or_join(source_id, access, regenerate=regenerate, key=key, asked=asked)
        return self._named(access.user_id, key, asked) or run  # another request may have taken the key

    def _named(self, user_id: str, key: str | None, asked: str) -> Run | None:
        """The run that a key names."""
        ledger = self._services.ledger
        submitted = None if key is None else ledger.submitted(user_id, key)
        if submitted is None:
            return None
        run_id, fingerprint = submitted
        if fingerprint != asked:
            raise RequestInvalid("The Idempotency-Key was used for another request", reason="idempotency_key")
        return ledger.get(run_id, user_id)

    def _queue_or_join(
        self, source_id: str, access: Access, *, regenerate: bool, key: str | None, asked: str
    ) -> Run:
        services = self._services
        # Looked up before the source is read: a run that is queued in between is joined. One in
        # doubt keeps its number taken, so that it is refused, or joined where it was settled meanwhile.
        latest = services.ledger.latest(access.user_id, source_id)
        if latest is not None and latest.status.active:
            _check_store(latest, services.store_name)
            if key is not None:
                services.ledger.name(latest, key, asked)
            return latest
        plan = prepare(
            source_id,
            access.user_id,
            regenerate=regenerate,
            store=services.store(access),
            settings=services.settings,
            agent=services.agent_name,
        )
        self._hold_against_budgets(plan)
        number = 1 if latest is None else latest.number + (latest.status is not RunStatus.IN_DOUBT)
        return services.ledger.submit(new_run_id(), plan, number=number, key=key, fingerprint=asked)

    def _hold_against_budgets(self, plan: Plan) -> None:
        """Refuse what no budget holds before there is a run of it; each call is held against them too."""
        allowance = self._services.budgets.allows(plan.user_id, 1, nano(ceiling_of(plan)))
        if allowance.refusal is not None:
            raise allowance.refusal

    def execute(self, run_id: str) -> Run:
        """Bring a run to its end in this thread, or wait for whoever carries it.

        Returns:
            The run: done, failed, cancelled or in doubt.

        Raises:
            StoreUnavailable: The answer is kept and not stored yet.
            NotSignedIn: Nobody may act for the run's user now; it goes on at their next sign-in.
            LedgerUnavailable: The run goes on once the ledger can be written.
            ApiKeyMissing: The run is queued for OpenAI and there is no key any more.
        """
        while True:
            try:
                self._execute(run_id)
            except SecondlookError as error:
                error.run_id = run_id
                raise
            run = self._services.ledger.get(run_id)
            if not run.status.active:
                return run
            _check_store(run, self._services.store_name)
            time.sleep(_POLL_SECONDS if run.waits_ms is None else min(run.waits_ms / 1000, SWEEP_SECONDS))
            self._services.ledger.handle_clock_rollback()

    def start(self, run_id: str, *, in_batch: bool = False) -> None:
        """Carry a run in a thread, or hand it to the workers; the caller may go away.

        Runs of batches have threads of their own: no batch stands before a run that somebody waits for.
        """
        dispatcher = self._services.dispatcher
        if dispatcher is not None:
            self._dispatch(dispatcher, run_id, in_batch=in_batch)
            return
        with self._lock:
            if run_id in self._busy:
                return
            self._busy.add(run_id)
            if in_batch not in self._pools:
                threads = batch_threads(self._services.settings) if in_batch else WORKERS
                self._pools[in_batch] = ThreadPoolExecutor(threads, thread_name_prefix="secondlook-run")
            self._pools[in_batch].submit(self._execute_quietly, run_id, in_batch=in_batch)

    def _dispatch(self, dispatcher: Dispatcher, run_id: str, *, in_batch: bool) -> None:
        try:
            dispatcher(run_id, in_batch)
        except SecondlookError as error:
            log_failed(f"Run {run_id}", error.code)  # it is queued: the workers' sweep finds it

    def batch(self, batch_id: str, user_id: str) -> Batch:
        """A batch as the ledger knows it now.

        Raises:
            SourceNotFound: No such batch, or another user's.
        """
        return self._services.batches.get(batch_id, user_id)

    def begin(self, fill: Callable[[], Batch]) -> Future[Batch]:
        """Queue a batch's runs in a thread, and carry what it may let go; the caller may go away.

        Args:
            fill: Makes the batch and queues its runs.
        """

        def work() -> Batch:
            try:
                begun = fill()
            except SecondlookError as error:
                log_failed("batch", error.code)
                raise
            self.look_again()
            return begun

        thread = ThreadPoolExecutor(1, thread_name_prefix="secondlook-batch")
        filling = thread.submit(work)
        thread.shutdown(wait=False)  # it ends with its work, and the process with it
        return filling

    def look_again(self) -> None:
        """Have the sweep look at once for what batches may let go; of many calls one look may come.

        Who only hands runs over does not sweep: it looks itself.
        """
        if self._services.dispatcher is None or self._sweeps:
            self._look_again.set()
            return
        try:
            self._feed()
        except SecondlookError as error:
            log_failed("batch", error.code)

    def _feed(self) -> bool:
        """Carry what batches may let go now; whether there was anything."""
        released = self._services.batches.release(self._services.settings.concurrency)
        for run_id in released:
            self.start(run_id, in_batch=True)
        return bool(released)

    def resume(self) -> list[Run]:
        """Take up, one after the other, every run that may go on; what was sent is never sent again."""
        self._services.ledger.handle_clock_rollback()
        carried = [run.run_id for run in self._services.ledger.claimable() if self._may_execute(run)]
        for run_id in carried:
            self.pick_up(run_id)
        return [self._services.ledger.get(run_id) for run_id in carried]

    @contextmanager
    def sweeping(self, *, for_workers: bool = False) -> Generator[None]:
        """Take up what may go on, again and again, while the block runs; then wait for what is in flight.

        Where workers carry runs, each of them sweeps, and nobody else has to.

        Args:
            for_workers: Whether this is a worker: what may go on is told to all of them.
        """
        webhook = self._services.webhook
        self._sweeps = for_workers or self._services.dispatcher is None
        most = _WORKERS_SWEEP_SECONDS if for_workers else SWEEP_SECONDS
        sweeper = threading.Thread(target=self._sweep, args=[most], name="secondlook-sweep", daemon=True)
        with webhook.delivering() if webhook is not None else nullcontext():
            if self._sweeps:
                sweeper.start()
            try:
                yield
            finally:
                self._stop.set()
                self._look_again.set()
                if self._sweeps:
                    sweeper.join()
                for pool in self._pools.values():
                    pool.shutdown(wait=True, cancel_futures=True)
                self._pools = {}
                self._sweeps = False
                self._stop.clear()

    def _sweep(self, most: float) -> None:
        """Look for what may go on, now and then, and for what batches let go whenever a run of one ends."""
        next_look = time.monotonic()
        while not self._stop.is_set():
            self._look_again.wait(max(0.0, next_look - time.monotonic()))
            self._stop.wait(_GATHER_SECONDS)
            self._look_again.clear()  # before looking: what is asked for meanwhile is looked for once more
            try:
                fed = self._feed()
                if time.monotonic() >= next_look:
                    self._pick_up_waiting()
                    next_look = time.monotonic() + self._pause(most)
                if fed:
                    next_look = min(next_look, time.monotonic() + _FEED_SECONDS)
            except SecondlookError as error:
                log_failed("sweep", error.code)
                next_look = time.monotonic() + most

    def _pick_up_waiting(self) -> None:
        self._services.ledger.handle_clock_rollback()
        for run in self._services.ledger.claimable():
            if self._may_execute(run):
                self.start(run.run_id, in_batch=run.in_batch)

    def _pause(self, most: float) -> float:
        """Seconds until there may be something to take up."""
        if self._services.batches.any_running():
            return _FEED_SECONDS
        due = self._services.ledger.seconds_until_due()
        return max(_FEED_SECONDS, min(most, self._services.settings.lease_seconds, due or most))

    def _may_execute(self, run: OpenRun) -> bool:
        """False for a run that waits for its user: it would only be found to wait again."""
        with self._lock:
            present = run.user_id in self._accesses
        return present or self._services.has_service_key or run.status is RunStatus.CALLING

    def _execute_quietly(self, run_id: str, *, in_batch: bool) -> None:
        try:
            self.pick_up(run_id, in_batch=in_batch)
        finally:
            with self._lock:
                self._busy.discard(run_id)

    def pick_up(self, run_id: str, *, in_batch: bool = False) -> None:
        """Carry a run as far as it goes now, in this thread; what is in the way is logged and noted there.

        Of a batch, the next one is looked for as soon as this one's answer is kept, and when it has ended:
        no place stays empty.
        """
        look_again = self.look_again if in_batch else lambda: None
        try:
            self._execute(run_id, answered=look_again)
        except SecondlookError as error:
            log_failed(f"Run {run_id}", error.code)
        except Exception as error:  # noqa: BLE001 -- a message or a traceback could hold an answer
            log_failed(f"Run {run_id}", type(error).__name__)
        look_again()

    def _execute(self, run_id: str, answered: Callable[[], None] = lambda: None) -> None:
        services = self._services
        execute(
            run_id,
            stores=self._store,
            agents=services.agent,
            ledger=services.ledger,
            retries=services.retries,
            production=services.settings.production,
            answered=answered,
        )

    def _store(self, user_id: str) -> Store:
        with self._lock:
            access = self._accesses.get(user_id)
        if access is None or access.token is None:
            if not self._services.has_service_key:
                raise NotSignedIn(
                    "The person who began this run is not signed in", hint="It goes on at their next sign-in."
                )
            return self._services.store(self._services.own_access(user_id))
        try:
            access.token()
        except NotSignedIn:
            with self._lock:
                if self._accesses.get(user_id) is access:
                    del self._accesses[user_id]
            raise
        return self._services.store(access)
