"""Traces and metrics as a collector receives them: what they tell, and what they never tell."""

from __future__ import annotations

import gzip
import json
import sqlite3
import threading
from collections.abc import Generator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from secondlook.ledger.backlog import look_at_backlog
from secondlook.ledger.database import ledger_database
from tests.ledger.executing import Where
from tests.mixed_runs import insert, mixed
from tests.postgres_server import PostgresServer
from tests.processes import Home, finish
from tests.provider import refusing

NAME = "Canary Roofing of Springfield"


class Collector(ThreadingHTTPServer):
    """Takes OTLP over HTTP, and keeps the bodies by their paths."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Receiver)
        self.bodies: dict[str, list[bytes]] = {"/v1/traces": [], "/v1/metrics": []}

    @property
    def spans(self) -> list[Span]:
        """Every span that came."""
        found: list[Span] = []
        for body in self.bodies["/v1/traces"]:
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                for scope in resource.scope_spans:
                    found += scope.spans
        return found

    @property
    def metrics(self) -> dict[str, int]:
        """The names of the metrics that came, and how many values each had."""
        found: dict[str, int] = {}
        for body in self.bodies["/v1/metrics"]:
            for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                for scope in resource.scope_metrics:
                    for metric in scope.metrics:
                        kind = getattr(metric, metric.WhichOneof("data") or "")
                        found[metric.name] = len(kind.data_points)
        return found


class _Receiver(BaseHTTPRequestHandler):
    server: Collector  # pyright: ignore[reportIncompatibleVariableOverride] -- what this handler is made by

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        self.server.bodies[self.path].append(body)
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Say nothing."""


@pytest.fixture
def collector() -> Generator[Collector]:
    """A collector that listens."""
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def traced(home: Home, collector: Collector) -> Home:
    """A home whose processes export to the collector, and whose source has a name that nobody may read."""
    with closing(sqlite3.connect(home.data / "store.db")) as store, store:
        store.execute("update sources set source_name = ? where id = ?", (NAME, home.sample.source_id))
    home.set(OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{collector.server_port}")
    return home


def attributes(pairs: object) -> dict[str, object]:
    """Attributes as a dictionary."""
    assert isinstance(pairs, Span)
    found: list[KeyValue] = list(pairs.attributes)
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value") or "") for pair in found}


def test_a_run_is_a_trace_of_its_steps(traced: Home, collector: Collector) -> None:
    """Its id is the run's; the call says what model answered, with its tokens; SQL stands below its step."""
    outcome = finish(traced.exec("snapshot", traced.sample.source_id))
    assert outcome.code == 0, outcome.err
    (run,) = traced.runs()
    of_run = [span for span in collector.spans if span.trace_id.hex() == run["run_id"].replace("-", "")]
    by_name = {span.name: span for span in of_run}
    assert {"run snapshot", "call", "validate", "store", "mark", "finish"} <= set(by_name)
    root = by_name["run snapshot"]
    assert root.parent_span_id == b""
    assert {by_name[name].parent_span_id for name in ("call", "validate", "store", "mark", "finish")} == {
        root.span_id
    }

    call = by_name[f"chat {run['model']}"]
    assert call.parent_span_id == by_name["call"].span_id
    (kept,) = traced.calls()
    told = attributes(call)
    assert told["gen_ai.operation.name"] == "chat"
    assert told["gen_ai.provider.name"] == "openai"
    assert told["gen_ai.response.model"] == kept["model"]
    assert told["gen_ai.usage.input_tokens"] == kept["prompt_tokens"]
    assert told["gen_ai.usage.output_tokens"] == kept["completion_tokens"]
    assert any(attributes(span).get("db.system") == "sqlite" for span in of_run)
    assert {
        "secondlook.runs",
        "secondlook.cost",
        "secondlook.step.duration",
        "gen_ai.client.token.usage",
    } <= set(collector.metrics)


def test_nothing_tells_a_content(traced: Home, collector: Collector) -> None:
    """No name, prompt, answer, key, SQL or provider's message, of a run that succeeds and one that fails."""
    assert finish(traced.exec("snapshot", traced.sample.source_id)).code == 0
    traced.provider.behaviour = refusing(400, f"What about {NAME}?")
    assert finish(traced.exec("snapshot", traced.sample.source_id, "--regenerate")).code == 1
    (failed,) = [
        span for span in collector.spans if attributes(span).get("error.type") == "400" and span.kind == 3
    ]
    assert not failed.events
    assert not failed.status.message
    for body in (body for bodies in collector.bodies.values() for body in bodies):
        for secret in (
            NAME,
            "weekly_volume",
            "select ",
            "SELECT run",
            traced.env["OPENAI_API_KEY"],
            "Copy the JSON",
        ):
            assert secret.encode() not in body, body.partition(secret.encode())[0][-80:]
    assert all(not span.events for span in collector.spans)


@pytest.mark.parametrize(
    "off",
    [
        pytest.param({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, id="no address"),
        pytest.param({"OTEL_SDK_DISABLED": "true"}, id="disabled"),
        pytest.param({"OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none"}, id="none"),
    ],
)
def test_it_is_off_unless_asked_for(traced: Home, collector: Collector, off: dict[str, str]) -> None:
    """Nothing is sent."""
    traced.set(**off)
    assert finish(traced.exec("snapshot", traced.sample.source_id)).code == 0
    assert collector.bodies == {"/v1/traces": [], "/v1/metrics": []}


def test_a_collector_that_is_away_costs_no_run(traced: Home) -> None:
    """The snapshot is made and printed all the same."""
    traced.set(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9", OTEL_EXPORTER_OTLP_TIMEOUT="1")
    outcome = finish(traced.exec("snapshot", traced.sample.source_id))
    assert outcome.code == 0
    assert "Traceback" not in outcome.err


def test_log_lines_as_json_name_their_run(home: Home) -> None:
    """Each line of a run has its id and its trace's."""
    home.set(SECONDLOOK_LOG_FORMAT="json")
    outcome = finish(home.exec("snapshot", home.sample.source_id))
    lines = [json.loads(line) for line in outcome.err.splitlines()]
    (run,) = home.runs()
    assert [line["message"].partition(":")[0] for line in lines] == [
        "[OpenAI] Snapshot generated",
        "[Orchestrator] Snapshot pipeline complete",
    ]
    assert {(line["run_id"], line["trace_id"], line["level"]) for line in lines} == {
        (run["run_id"], run["run_id"].replace("-", ""), "info")
    }


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_the_backlog_is_counted(home: Home, postgres_server: PostgresServer, kind: str) -> None:
    """As many runs as are queued and due, however long."""
    where: Where = home.data / "other.db" if kind == "sqlite" else postgres_server.empty_schema()
    made = mixed(200, seed=3)
    insert(where, made)
    with closing(ledger_database(where)) as database:
        seen = look_at_backlog(database)
    queued = [run for run in made.runs if run["status"] == "queued"]
    assert seen.queued == len(queued) > 0
    assert seen.oldest_seconds > 0
    assert seen.workers is None
