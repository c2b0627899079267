"""One step of a run: timed, logged, and the one place where a span is to be opened around it."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, MutableMapping
from contextlib import contextmanager


@contextmanager
def step(
    name: str,
    run: str | None,  # noqa: ARG001 -- what a span is of
    timings: MutableMapping[str, float] | None = None,
    *,
    log: Callable[[], None] = lambda: None,
) -> Generator[None]:
    """Do one step of a run.

    Args:
        name: The step's name, and its key among the timings.
        run: The run's id; None where there is no run yet.
        timings: Where the milliseconds of the finished step are put. One that raises has not finished.
        log: Writes the step's line to the log, once it has finished.
    """
    started = time.perf_counter()
    yield
    if timings is not None:
        timings[name] = round((time.perf_counter() - started) * 1000, 1)
    log()
