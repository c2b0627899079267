"""Repeatedly picks up runs that can continue, and releases the runs of batches."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

from secondlook.errors import SecondlookError
from secondlook.ledger.run_queries import OpenRun
from secondlook.services import Services
from secondlook.telemetry.log import log_failed

SWEEP_SECONDS = 5
_WORKERS_SWEEP_SECONDS = 1  # nothing else starts a batch that a command has queued
_FEED_SECONDS = 0.25
_GATHER_SECONDS = 0.005  # one sweep follows runs that end together


class Sweep:
    """One process's sweep of its ledger.

    Args:
        services: The parts to work with.
        may_execute: Whether an open run can continue in this process now.
        start: Starts a run, given its id and whether it belongs to a batch.
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
        """The runs that can continue in this process now."""
        self._services.ledger.handle_clock_rollback()
        return [run for run in self._services.ledger.claimable() if self._may_execute(run)]

    def look_again(self) -> None:
        """Make the sweep check at once which runs batches may release; several calls may share one check.

        A process that only dispatches runs does not sweep, so it checks directly.
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
        """Sweep while the block runs. If workers execute the runs, only they sweep."""
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
        """Pick up open runs periodically, and release runs of batches whenever one of theirs ends."""
        next_look = time.monotonic()
        while not self._stop.is_set():
            self._look_again.wait(max(0.0, next_look - time.monotonic()))
            self._stop.wait(_GATHER_SECONDS)
            self._look_again.clear()  # before looking: a request during the look causes another one
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
        """Start the runs that batches may release now; return whether there was any."""
        released = self._services.batches.release(self._services.settings.concurrency)
        for run_id in released:
            self._start(run_id, True)
        return bool(released)

    def _pause(self, most: float) -> float:
        """Seconds until the next run may be picked up."""
        if self._services.batches.any_running():
            return _FEED_SECONDS
        due = self._services.ledger.seconds_until_due()
        return max(_FEED_SECONDS, min(most, self._services.settings.lease_seconds, due or most))
