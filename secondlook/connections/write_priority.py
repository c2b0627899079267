"""Who goes first where only one can: threads that write to an SQLite file.

First come, first served would keep a crowd together: runs that are answered at the same moment would all be
journaled, then all their successors claimed, then all sent, and each wave would be as late as the whole crowd
takes. Whoever is nearer to sending overtakes instead: the first successor is on its way after one run's time,
and the crowd drifts apart.
"""

from __future__ import annotations

import heapq
import threading
import time
from enum import Enum
from itertools import count


class WritePriority(Enum):
    """What somebody wants to write, and for how many seconds it lets others, that come later, go first."""

    SEND = 0.0
    CLAIM = 0.05
    RELEASE = 0.1
    USUAL = 0.2
    FINISH = 1.0


class WriteQueue:
    """A lock that is handed to who has waited longest, each one's patience taken off."""

    def __init__(self) -> None:
        self._inside = threading.Lock()
        self._taken = False
        self._waiting: list[tuple[float, int, threading.Lock]] = []
        self._number = count()

    def take(self, turn: WritePriority, seconds: float) -> bool:
        """Take it; whoever has it gives it back.

        Args:
            turn: What for.
            seconds: How long to wait for it.

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
        """Give it back."""
        with self._inside:
            if self._waiting:
                heapq.heappop(self._waiting)[2].release()  # handed over: nobody comes in between
            else:
                self._taken = False
