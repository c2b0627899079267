"""Traces and metrics: what runs, steps and calls tell of themselves.

Off unless the `OTEL_` variables ask for them; everything here does nothing then. A run's trace has the run's
id, so that whoever has the one finds the other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from secondlook.domain.runs import Run
from secondlook.domain.usage import Usage
from secondlook.settings import exported_signals

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import MetricReader
    from opentelemetry.sdk.trace import SpanProcessor

_executed: ContextVar[Run | None] = ContextVar("_executed", default=None)
_lock = threading.Lock()


def trace_id_of(run_id: str) -> str:
    """The id of a run's trace: 32 hexadecimal digits."""
    return UUID(run_id).hex


@dataclass(frozen=True)
class Backlog:
    """What waits, and who works on it.

    Attributes:
        queued: Runs that are due.
        oldest_seconds: For how long the oldest of them has been due.
        workers: Workers alive; None where runs need none.
    """

    queued: int
    oldest_seconds: float
    workers: int | None = None


def executed_run() -> Run | None:
    """The run that this thread executes now."""
    return _executed.get()


def start(reader: MetricReader | None = None, processor: SpanProcessor | None = None) -> None:
    """Begin to export what the `OTEL_` variables ask for; once a process, for programs.

    Args:
        reader: Takes the metrics instead of an exporter.
        processor: Takes the spans instead of an exporter.
    """
    global _on  # noqa: PLW0603 -- one for the process, as OpenTelemetry itself has it
    signals = exported_signals()
    with _lock:
        if type(_on) is Tracing and (signals or reader or processor):
            from secondlook.telemetry.otel import OpenTelemetry

            _on = OpenTelemetry(signals, reader, processor)


def stop() -> None:
    """Send what has not been sent, and stop."""
    global _on
    with _lock:
        ended, _on = _on, Tracing()
    ended.close()


@contextmanager
def trace_run(run: Run) -> Generator[None]:
    """Open the span of one execution of a run; the log says which run it is meanwhile."""
    token = _executed.set(run)
    try:
        with _on.run(run):
            yield
    finally:
        _executed.reset(token)


@contextmanager
def trace_step(name: str) -> Generator[None]:
    """Open the span of a step, and measure it."""
    with _on.step(name):
        yield


@contextmanager
def trace_call(provider: str, model: str) -> Generator[Call]:
    """Open the span of a request to a model.

    Args:
        provider: The provider's name.
        model: The model that is asked.
    """
    with _on.call(provider, model) as call:
        yield call


def count_ended(look: Callable[[], Run]) -> None:
    """Count a run, if it has ended.

    Args:
        look: Reads the run, where anybody counts.
    """
    _on.ended(look)


def count_error(code: str) -> None:
    """Count an error of the store, the ledger or the provider."""
    _on.error(code)


def watch_backlog(backlog: Callable[[], Backlog]) -> None:
    """Measure what waits, each time metrics are sent.

    Args:
        backlog: Looks; called by another thread.
    """
    _on.watch(backlog)


class Call:
    """The span of a request; does nothing where there is none."""

    def answered(self, model: str | None, usage: Usage, cost_usd: Decimal | None) -> None:
        """Note an answer: the model that gave it, its tokens, its cost."""


class Tracing:
    """Traces and measures nothing; `telemetry.otel` does."""

    @contextmanager
    def run(self, run: Run) -> Generator[None]:  # noqa: ARG002 -- nothing is traced
        """Open the span of an execution."""
        yield

    @contextmanager
    def step(self, name: str) -> Generator[None]:  # noqa: ARG002
        """Open the span of a step."""
        yield

    @contextmanager
    def call(self, provider: str, model: str) -> Generator[Call]:  # noqa: ARG002
        """Open the span of a request."""
        yield Call()

    def ended(self, look: Callable[[], Run]) -> None:
        """Count a run that has ended."""

    def error(self, code: str) -> None:
        """Count an error."""

    def watch(self, backlog: Callable[[], Backlog]) -> None:
        """Measure what waits."""

    def close(self) -> None:
        """Send the rest."""


_on = Tracing()
