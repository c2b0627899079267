"""What a span may tell outside: names of this list, and nothing that a library put there besides.

Libraries put addresses with their queries, SQL, and the texts of exceptions into spans. Those hold names of
sources, people's searches, and parts of rows.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import Status

ALLOWED = frozenset(
    {
        "db.system",
        "db.system.name",
        "error.type",
        "http.method",
        "http.request.method",
        "http.response.status_code",
        "http.status_code",
        "net.peer.name",
        "net.peer.port",
        "server.address",
        "server.port",
    }
)
ALLOWED_PREFIXES = ("gen_ai.", "secondlook.")


class Redacted(SpanExporter):
    """Exports what is left of each span: its name's verb unless it is ours, and allowed attributes.

    Args:
        exporter: Sends them.
    """

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans."""
        return self._exporter.export([redacted(span) for span in spans])

    def shutdown(self) -> None:
        """Close the connection."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Wait for what is being sent."""
        return self._exporter.force_flush(timeout_millis)


def redacted(span: ReadableSpan) -> ReadableSpan:
    """A copy of a span without events, texts, and attributes that are not on the list."""
    ours = span.instrumentation_scope is not None and span.instrumentation_scope.name == "secondlook"
    return ReadableSpan(
        name=span.name if ours else _verb(span.name),
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes={
            name: value
            for name, value in (span.attributes or {}).items()
            if name in ALLOWED or name.startswith(ALLOWED_PREFIXES)
        },
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _verb(name: str) -> str:
    """The verb of a request or of SQL; libraries put whole statements into names."""
    found = re.match("[A-Za-z]{1,10}", name)
    return found[0].upper() if found else "OTHER"
