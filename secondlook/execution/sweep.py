"""Looks again and again for runs that may go on, and releases the runs of batches."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

from secondlook.errors import SecondlookError
from secondlook.ledger.runs import OpenRun
from secondlook.services import Services
from secondlook.telemetry.log import log_failed

SWEEP_SECONDS = 5
_WORKERS_SWEEP_SECONDS = 1  # nobody else begins a batch that a command has queued
_FEED_SECONDS = 0.25
_GATHER_SECONDS = 0.005  # runs that end together are followed by one look


class Sweep:
    """One process's sweep of its ledger.

    Args:
        services: The parts to work with.
        may_execute: Whether an open run can go on in this process now.
        start: Has a run executed, by its id and whether it is of a batch.
    """

    def __init__(
        self, services: Services, may_execute: Callable[[OpenRun], bool], start: Callable[[str, bool], None]
    ) -> None:
        self._services = services
        self._may_execute = may_execute
        self._start = start
        self._stop = threading.Event()
        self._look_again = threading.Event()
        self._sweeps = False

    def claimable(self) -> list[OpenRun]:
        """The runs that can go on in this process now."""
        self._services.ledger.handle_clock_rollback()
        return [run for run in self._services.ledger.claimable() if self._may_execute(run)]

    def look_again(self) -> None:
        """Have the sweep look at once for what batches may release; of many calls one look may come.

        A process that only dispatches runs does not sweep: it looks itself.
        """
        if self._services.dispatcher is None or self._sweeps:
            self._look_again.set()
            return
        try:
            self._release()
        except SecondlookError as error:
            log_failed("batch", error.code)

    @contextmanager
    def sweeping(self, *, for_workers: bool) -> Generator[None]:
        """Sweep while the block runs. Where workers execute runs, each of them sweeps, and nobody else."""
        self._sweeps = for_workers or self._services.dispatcher is None
        most = _WORKERS_SWEEP_SECONDS if for_workers else SWEEP_SECONDS
        sweeper = threading.Thread(target=self._sweep, args=[most], name="secondlook-sweep", daemon=True)
        if self._sweeps:
            sweeper.start()
        try:
            yield
        finally:
            self._stop.set()
            self._look_again.set()
            if self._sweeps:
                sweeper.join()
            self._stop.clear()

    def _sweep(self, most: float) -> None:
        """Look for what may go on, now and then, and for what batches release whenever a run of one ends."""
        next_look = time.monotonic()
        while not self._stop.is_set():
            self._look_again.wait(max(0.0, next_look - time.monotonic()))
            self._stop.wait(_GATHER_SECONDS)
            self._look_again.clear()  # before looking: what is asked for meanwhile is looked for once more
            try:
                released = self._release()
                if time.monotonic() >= next_look:
                    for run in self.claimable():
                        self._start(run.run_id, run.in_batch)
                    next_look = time.monotonic() + self._pause(most)
                if released:
                    next_look = min(next_look, time.monotonic() + _FEED_SECONDS)
            except SecondlookError as error:
                log_failed("sweep", error.code)
                next_look = time.monotonic() + most

    def _release(self) -> bool:
        """Start the runs that batches may release now; whether there was any."""
        released = self._services.batches.release(self._services.settings.concurrency)
        for run_id in released:
            self._start(run_id, True)
        return bool(released)

    def _pause(self, most: float) -> float:
        """Seconds until there may be something to pick up."""
        if self._services.batches.any_running():
            return _FEED_SECONDS
        due = self._services.ledger.seconds_until_due()
        return max(_FEED_SECONDS, min(most, self._services.settings.lease_seconds, due or most))
