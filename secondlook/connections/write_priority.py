"""The order in which threads write to an SQLite file, which takes one writer only.

First come, first served would keep simultaneous runs in lockstep: all answers would be journaled, then all
next runs claimed, then all sent, and each step would wait for the whole group. Instead, a thread that is
nearer to sending goes first: the first next run is sent after one run's time, and the group spreads out.
"""

from __future__ import annotations

import heapq
import threading
import time
from enum import Enum
from itertools import count


class WritePriority(Enum):
    """A kind of write, and for how many seconds it lets later writes go first."""

    SEND = 0.0
    CLAIM = 0.05
    RELEASE = 0.1
    USUAL = 0.2
    FINISH = 1.0


class WriteQueue:
    """A lock that goes to the thread that has waited longest, minus its kind's seconds."""

    def __init__(self) -> None:
        self._inside = threading.Lock()
        self._taken = False
        self._waiting: list[tuple[float, int, threading.Lock]] = []
        self._number = count()

    def take(self, turn: WritePriority, seconds: float) -> bool:
        """Acquire the lock.

        Returns:
            False where it was not free within that time.
        """
        with self._inside:
            if not self._taken:
                self._taken = True
                return True
            called = threading.Lock()
            called.acquire()
            place = (time.monotonic() + turn.value, next(self._number), called)
            heapq.heappush(self._waiting, place)
        if called.acquire(timeout=seconds):
            return True
        with self._inside:
            if place not in self._waiting:  # called in the last moment
                return True
            self._waiting.remove(place)
            heapq.heapify(self._waiting)
        return False

    def give(self) -> None:
        """Release the lock to the next thread."""
        with self._inside:
            if self._waiting:
                heapq.heappop(self._waiting)[2].release()  # passed on directly: no other thread can take it
            else:
                self._taken = False
