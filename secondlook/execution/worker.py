"""One of many machines that execute runs: `secondlook worker`.

Dashboards, the API and batches announce runs through procrastinate's queue in the ledger's database. A
worker takes what it is told, and calls what a dashboard that executes its own runs would call. Who may do
what is decided by the ledger alone: procrastinate's heartbeats only clear away the jobs of dead workers.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import psycopg
from procrastinate import App, PsycopgConnector
from procrastinate.exceptions import ProcrastinateException
from procrastinate.jobs import DeleteJobCondition, Status

from secondlook.connections.database import CONNECT_SECONDS
from secondlook.errors import LedgerUnavailable
from secondlook.execution.runner import Runner
from secondlook.ledger.worker_queue import ASKED, BATCH, TASK
from secondlook.services import Services
from secondlook.settings import load_settings
from secondlook.telemetry import tracing
from secondlook.telemetry.log import log_failed

_POLL_SECONDS = 0.5
"""The longest that a job waits if its notification is lost: a pooler before Postgres may drop those."""

_HEARTBEAT_SECONDS = 10
_STALLED_SECONDS = 30
_AGAIN_SECONDS = 1.0

_FAILURES = (ProcrastinateException, psycopg.Error, OSError)


def work(concurrency: int | None = None) -> int:
    """Execute runs until SIGINT or SIGTERM; then finish those in flight.

    Args:
        concurrency: The most batch runs at the same time in this process, and as many single runs; None takes
            SECONDLOOK_CONCURRENCY, which also limits batches on all machines together.

    Raises:
        SettingInvalid: A setting is missing: the ledger's, or the key by which a process acts for people.
        ApiKeyMissing: The agent needs a key, and there is none.
        SecondlookError: The store or the ledger is not usable.
    """
    services = Services(load_settings().for_workers())
    try:
        services.own_access("")  # fails at once rather than for each run
        services.ping_store()
        services.ledger.ping()
        _ = services.jobs  # makes the tables
        services.agent(
            services.agent_name()
        )  # fails at once if the key is missing, and does the heavy imports
        worker = Worker(services, concurrency or services.settings.concurrency)
        tracing.watch_backlog(services.backlog)
        with worker.runner.sweeping(for_workers=True):
            asyncio.run(worker.run())
    finally:
        services.close()
    return 0


class Worker:
    """Takes jobs off the queue and executes their runs.

    Each queue has its own slots, so that no batch delays a run that somebody waits for.

    Args:
        services: The parts to work with.
        places: The most runs of each queue at the same time.
    """

    def __init__(self, services: Services, places: int) -> None:
        self.runner = Runner(services)
        self._places = places
        self._app = _app(services)
        self._app.task(name=TASK)(self._work)
        self._threads = ThreadPoolExecutor(2 * places, thread_name_prefix="secondlook-run")
        self._stopping = False

    async def run(self) -> None:
        """Work until a signal comes; a second one ends the process at once.

        Raises:
            LedgerUnavailable: There is no connection to begin with.
        """
        for name in ("procrastinate", "psycopg"):
            # Their own log lines name addresses and arguments; what matters is logged here.
            logging.getLogger(name).addHandler(logging.NullHandler())
            logging.getLogger(name).propagate = False
        try:
            await self._app.open_async()
        except _FAILURES as error:
            raise LedgerUnavailable(f"The workers' queue cannot be used ({type(error).__name__})") from None
        try:
            sides = [asyncio.create_task(self._serve(queue)) for queue in (ASKED, BATCH)]
            sides.append(asyncio.create_task(self._clear_away()))
            self._stop_at_signals(sides)
            print(f"2ndlook executes runs, {self._places} of batches at a time", file=sys.stderr)  # noqa: T201 -- what a person who starts a worker looks for
            await asyncio.gather(*sides, return_exceptions=True)
        finally:
            self._threads.shutdown()
            await self._app.close_async()

    def _stop_at_signals(self, sides: Sequence[asyncio.Task[None]]) -> None:
        loop = asyncio.get_running_loop()

        def stop() -> None:
            self._stopping = True
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)
                signal.signal(number, signal.SIG_DFL)
            for side in sides:
                side.cancel()  # procrastinate takes no new job then, and waits for those it has

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop)

    async def _serve(self, queue: str) -> None:
        """Take jobs of a queue; reconnect after a failure of the database."""
        while not self._stopping:
            try:
                await self._app.run_worker_async(
                    queues=[queue],
                    name=queue,
                    concurrency=self._places,
                    delete_jobs=DeleteJobCondition.ALWAYS,
                    fetch_job_polling_interval=_POLL_SECONDS,
                    install_signal_handlers=False,
                    update_heartbeat_interval=_HEARTBEAT_SECONDS,
                    stalled_worker_timeout=_STALLED_SECONDS,
                )
            except Exception as error:  # noqa: BLE001 -- no error may leave the queue without a reader
                log_failed("worker", type(error).__name__)
            if not self._stopping:
                await asyncio.sleep(_AGAIN_SECONDS)

    async def _clear_away(self) -> None:
        """Delete the jobs of dead workers. The ledger's leases expire, and the sweep picks up their runs."""
        manager = self._app.job_manager
        while not self._stopping:
            try:
                for job in await manager.get_stalled_jobs(seconds_since_heartbeat=_STALLED_SECONDS):
                    if job.id is not None:
                        await manager.finish_job_by_id_async(job.id, Status.FAILED, delete_job=True)
            except Exception as error:  # noqa: BLE001 -- as above; or another worker was faster
                log_failed("jobs", type(error).__name__)
            await asyncio.sleep(_STALLED_SECONDS)

    async def _work(self, run_id: str, in_batch: bool) -> None:
        await asyncio.get_running_loop().run_in_executor(self._threads, self._pick_up, run_id, in_batch)

    def _pick_up(self, run_id: str, in_batch: bool) -> None:
        self.runner.pick_up(run_id, in_batch=in_batch)


def _app(services: Services) -> App:
    url = services.settings.ledger_url
    if url is None:
        raise LedgerUnavailable("Workers need a ledger on Postgres")
    return App(
        connector=PsycopgConnector(
            conninfo=url.get_secret_value(),
            min_size=1,
            max_size=4,
            timeout=CONNECT_SECONDS,
            kwargs={
                "connect_timeout": CONNECT_SECONDS,
                "fallback_application_name": "secondlook worker",
                "prepare_threshold": None,  # a pooler may give each transaction another session
            },
        )
    )
