"""The threads that execute runs in this process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

WORKERS = 8
"""Threads for runs that somebody waits for."""


class Pool:
    """Executes runs in threads, never one twice at the same time. Batch runs have separate threads.

    Args:
        execute: Executes a run, by its id and whether it is of a batch; it raises nothing.
        batch_threads: Threads for runs of batches.
    """

    def __init__(self, execute: Callable[[str, bool], None], *, batch_threads: int) -> None:
        self._execute = execute
        self._threads = {False: WORKERS, True: batch_threads}
        self._pools: dict[bool, ThreadPoolExecutor] = {}
        self._busy: set[str] = set()
        self._lock = threading.Lock()

    def start(self, run_id: str, *, in_batch: bool) -> None:
        """Execute a run in a thread, unless one does already."""
        with self._lock:
            if run_id in self._busy:
                return
            self._busy.add(run_id)
            if in_batch not in self._pools:
                self._pools[in_batch] = ThreadPoolExecutor(
                    self._threads[in_batch], thread_name_prefix="secondlook-run"
                )
            self._pools[in_batch].submit(self._work, run_id, in_batch)

    def drain(self) -> None:
        """Wait for runs in flight. Those that have not started are left to the next process."""
        for pool in self._pools.values():
            pool.shutdown(wait=True, cancel_futures=True)
        self._pools = {}

    def _work(self, run_id: str, in_batch: bool) -> None:
        try:
            self._execute(run_id, in_batch)
        finally:
            with self._lock:
                self._busy.discard(run_id)
