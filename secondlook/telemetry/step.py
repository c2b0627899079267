"""One step of a run: timed, logged, and traced."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, MutableMapping
from contextlib import contextmanager

from secondlook.telemetry.tracing import trace_step


@contextmanager
def step(
    name: str,
    timings: MutableMapping[str, float] | None = None,
    *,
    log: Callable[[], None] = lambda: None,
) -> Generator[None]:
    """Do one step of a run.

    Args:
        name: The step's name, and its key among the timings.
        timings: Where the milliseconds of the finished step are put. One that raises has not finished.
        log: Writes the step's line to the log, once it has finished.
    """
    started = time.perf_counter()
    with trace_step(name):
        yield
    if timings is not None:
        timings[name] = round((time.perf_counter() - started) * 1000, 1)
    log()
