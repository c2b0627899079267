"""Keeps the leases of the runs that this process executes: one thread for all of them."""

from __future__ import annotations

import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager

from secondlook.connections.database import Database
from secondlook.ledger.statements import EXTEND
from secondlook.telemetry.log import log_failed

_AGAIN_SECONDS = 1
"""The wait after a failed extension."""


class Leases:
    """Extends the held leases, three times in each lease's duration.

    Args:
        database: The ledger's database.
        seconds: How long an owner may be silent before its run can be claimed by another.
    """

    def __init__(self, database: Database, seconds: float) -> None:
        self._database = database
        self.seconds = seconds
        self._held: dict[object, Mapping[str, object]] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()

    @contextmanager
    def held(self, run_id: str, owner: str) -> Generator[None]:
        """Extend the lease of a run while the block runs and this owner holds it."""
        hold = object()
        with self._lock:
            self._held[hold] = {"run": run_id, "its_owner": owner, "lease_seconds": self.seconds}
            if self._thread is None:
                # A daemon that ends when no lease is held any more.
                self._thread = threading.Thread(target=self._beat_on, name="secondlook-lease", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._lock:
                del self._held[hold]

    def close(self) -> None:
        """End the thread: the database is about to be closed."""
        with self._lock:
            thread = self._thread
        if thread is not None:
            self._closed.set()
            thread.join()
            self._closed.clear()

    def _beat_on(self) -> None:
        seconds = self.seconds / 3
        while True:
            closed = self._closed.wait(seconds)
            with self._lock:
                held = list(self._held.values())
                if closed or not held:
                    self._thread = None
                    return
            beaten = self._beat(held)
            seconds = self.seconds / 3 if beaten else min(_AGAIN_SECONDS, self.seconds / 3)

    def _beat(self, held: list[Mapping[str, object]]) -> bool:
        # One by one: stopping a batch locks its runs in another order.
        try:
            for lease in held:
                self._database.write_soft(lambda connection, lease=lease: connection.execute(EXTEND, lease))
        except Exception as error:  # noqa: BLE001 -- no error may cost a run its lease
            log_failed("lease", type(error).__name__)
            return False
        return True
