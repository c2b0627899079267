"""OpenTelemetry behind `telemetry.tracing`: the only module, with `redaction`, that knows it.

What leaves the process are ids, counts and durations: `redaction` decides about spans, and metrics are only
made here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from decimal import Decimal
from uuid import UUID

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.instrumentation.sqlalchemy import (  # pyright: ignore[reportMissingTypeStubs] -- it has none
    SQLAlchemyInstrumentor,
)
from opentelemetry.metrics import CallbackOptions, NoOpMeterProvider, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from secondlook.domain.runs import Run
from secondlook.domain.usage import Usage
from secondlook.telemetry.redaction import Redacted
from secondlook.telemetry.tracing import Backlog, Call, Tracing, executed_run


class OpenTelemetry(Tracing):
    """The process's tracer and meters.

    Args:
        signals: What to export: `traces`, `metrics`.
        reader: Takes the metrics instead of an exporter.
        processor: Takes the spans instead of an exporter.
    """

    def __init__(
        self, signals: frozenset[str], reader: MetricReader | None, processor: SpanProcessor | None
    ) -> None:
        resource = Resource.create()
        if str(resource.attributes["service.name"]).startswith("unknown_service"):
            resource = resource.merge(Resource({"service.name": "secondlook"}))
        self._spans = TracerProvider(resource=resource, id_generator=_OfRuns(), shutdown_on_exit=False)
        if processor is None and "traces" in signals:
            processor = _exporting_spans()
        if processor is not None:
            self._spans.add_span_processor(processor)
        if reader is None and "metrics" in signals:
            reader = _exporting_metrics()
        self._meters = MeterProvider([] if reader is None else [reader], resource, shutdown_on_exit=False)
        self._tracer = self._spans.get_tracer("secondlook")
        self._instrument()
        meter = self._meters.get_meter("secondlook")
        self._runs = meter.create_counter("secondlook.runs", "{run}", "Runs that ended.")
        self._cost = meter.create_counter("secondlook.cost", "USD", "Cost of answers of known cost.")
        self._errors = meter.create_counter("secondlook.errors", "{error}", "Errors by code.")
        self._steps = meter.create_histogram("secondlook.step.duration", "s", "Duration of a run's steps.")
        self._tokens = meter.create_histogram("gen_ai.client.token.usage", "{token}", "Tokens of answers.")
        self._calls = meter.create_histogram("gen_ai.client.operation.duration", "s", "Duration of calls.")
        self._meter = meter

    def _instrument(self) -> None:
        """Trace the requests to Supabase, and the SQL of engines that are made from now on."""
        self._instrumentors = (HTTPXClientInstrumentor(), SQLAlchemyInstrumentor())
        for instrumentor in self._instrumentors:
            instrumentor.instrument(
                tracer_provider=self._spans, meter_provider=NoOpMeterProvider(), skip_dep_check=True
            )

    @contextmanager
    def run(self, run: Run) -> Generator[None]:
        """Open the span of an execution."""
        attributes = {
            "secondlook.run.id": run.run_id,
            "secondlook.source.id": run.source_id,
            "secondlook.task": run.task,
            "secondlook.agent": run.agent,
            "gen_ai.request.model": run.model,
        }
        if run.batch_id is not None:
            attributes["secondlook.batch.id"] = run.batch_id
        with self._span(f"run {run.task}", attributes):
            yield

    @contextmanager
    def step(self, name: str) -> Generator[None]:
        """Open the span of a step, and measure it."""
        started = time.perf_counter()
        with self._span(name, {"secondlook.step": name}):
            yield
        self._steps.record(time.perf_counter() - started, {"secondlook.step": name})

    @contextmanager
    def call(self, provider: str, model: str) -> Generator[Call]:
        """Open the span of a request, and measure it."""
        facts = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": provider,
            "gen_ai.request.model": model,
        }
        started = time.perf_counter()
        with self._span(f"chat {model}", facts, SpanKind.CLIENT) as span:
            yield _TracedCall(span, facts, self)
        self._calls.record(time.perf_counter() - started, facts)

    def answered(self, facts: dict[str, str], usage: Usage, cost_usd: Decimal | None) -> None:
        """Measure an answer: its tokens and its cost."""
        for kind, tokens in (("input", usage.prompt_tokens), ("output", usage.completion_tokens)):
            if tokens is not None:
                self._tokens.record(tokens, {**facts, "gen_ai.token.type": kind})
        if cost_usd is not None:
            self._cost.add(float(cost_usd), facts)

    def ended(self, look: Callable[[], Run]) -> None:
        """Count a run, if it has ended."""
        run = look()
        if run.finished_at is None:
            return
        self._runs.add(
            1,
            {
                "secondlook.status": run.status.value,
                "secondlook.task": run.task,
                "secondlook.agent": run.agent,
                "gen_ai.request.model": run.model,
            },
        )
        if run.error is not None:
            self.error(run.error.code)

    def error(self, code: str) -> None:
        """Count an error."""
        self._errors.add(1, {"error.type": code})

    def watch(self, backlog: Callable[[], Backlog]) -> None:
        """Measure what waits, each time metrics are sent."""

        def gauge(name: str, unit: str, text: str, read: Callable[[Backlog], float | None]) -> None:
            def observe(_options: CallbackOptions) -> Iterable[Observation]:
                value = read(backlog())
                return [] if value is None else [Observation(value)]

            self._meter.create_observable_gauge(name, [observe], unit, text)

        gauge("secondlook.queue.depth", "{run}", "Runs that are due.", lambda seen: seen.queued)
        gauge(
            "secondlook.queue.age",
            "s",
            "Age of the oldest run that is due.",
            lambda seen: seen.oldest_seconds,
        )
        gauge("secondlook.workers", "{worker}", "Workers alive.", lambda seen: seen.workers)

    @contextmanager
    def _span(
        self, name: str, attributes: dict[str, str], kind: SpanKind = SpanKind.INTERNAL
    ) -> Generator[Span]:
        with self._tracer.start_as_current_span(
            name, kind=kind, attributes=attributes, record_exception=False
        ) as span:
            try:
                yield span
            except Exception as error:
                span.set_status(Status(StatusCode.ERROR))
                kind_of_error = getattr(error, "status", None) or getattr(error, "code", type(error).__name__)
                span.set_attribute("error.type", str(kind_of_error))
                raise

    def close(self) -> None:
        """Send the rest, and let the libraries alone again."""
        for instrumentor in self._instrumentors:
            instrumentor.uninstrument()
        self._spans.shutdown()
        self._meters.shutdown()


class _TracedCall(Call):
    def __init__(self, span: Span, facts: dict[str, str], on: OpenTelemetry) -> None:
        self._span = span
        self._facts = facts
        self._on = on

    def answered(self, model: str | None, usage: Usage, cost_usd: Decimal | None) -> None:
        self._on.answered(self._facts, usage, cost_usd)
        if not self._span.is_recording():
            return  # the answer came after its run had stopped waiting
        found = {
            "gen_ai.response.model": model,
            "gen_ai.usage.input_tokens": usage.prompt_tokens,
            "gen_ai.usage.output_tokens": usage.completion_tokens,
            "secondlook.cost_usd": None if cost_usd is None else float(cost_usd),
        }
        self._span.set_attributes({name: value for name, value in found.items() if value is not None})


class _OfRuns(RandomIdGenerator):
    def generate_trace_id(self) -> int:
        run = executed_run()
        return super().generate_trace_id() if run is None else UUID(run.run_id).int


def _exporting_spans() -> SpanProcessor:
    return BatchSpanProcessor(Redacted(OTLPSpanExporter()))


def _exporting_metrics() -> MetricReader:
    return PeriodicExportingMetricReader(OTLPMetricExporter())
