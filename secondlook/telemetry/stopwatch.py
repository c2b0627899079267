"""Milliseconds of the steps of a run."""

from __future__ import annotations

import time


class Stopwatch:
    """Times steps that follow each other; `laps` holds the milliseconds of each by its name."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        """End a step; the next one starts now."""
        now = time.perf_counter()
        self.laps[name] = round((now - self._last) * 1000, 1)
        self._last = now
