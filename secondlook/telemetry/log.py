"""What is logged: ids, counts, error codes and, outside production, token usage. Nothing else, ever.

They go to the logger `secondlook`; `configure` sends it to standard error.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime

from secondlook.domain.runs import Run
from secondlook.telemetry.tracing import count_error, executed_run, trace_id_of

_logger = logging.getLogger("secondlook")
_logger.addHandler(logging.NullHandler())


class _JsonLines(logging.Formatter):
    """One JSON object in a line, with the run that its thread executes."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, str | None] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        run = executed_run()
        if run is not None:
            line |= {"run_id": run.run_id, "batch_id": run.batch_id, "trace_id": trace_id_of(run.run_id)}
        return json.dumps(line)


def configure(*, json_lines: bool = False) -> None:
    """Write the log to standard error: for programs, never for the library.

    Args:
        json_lines: Whether each line is a JSON object.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines() if json_lines else logging.Formatter("%(message)s"))
    _logger.handlers = [handler]
    _logger.setLevel(logging.INFO)
    _logger.propagate = False
    logging.getLogger("python_multipart").setLevel(logging.ERROR)  # it quotes the form that it cannot read


def log_notice(label: str, notice: str) -> None:
    """What people should know of a provider's model."""
    _logger.warning("[%s] %s", label, notice)


def log_generated(
    run: Run, label: str, title: str, fields: Mapping[str, object], *, production: bool
) -> None:
    """An accepted answer; in production without its usage.

    Args:
        run: The run.
        label: Its provider's.
        title: What its result is called.
        fields: The result's ids and counts.
        production: Whether this is production.
    """
    shown = {name: value for name, value in fields.items() if name != "source_id"}
    if not production:
        shown["usage"] = run.usage.model_dump(include={"prompt_tokens", "completion_tokens", "total_tokens"})
    _logger.info("[%s] %s generated: %s", label, title, json.dumps(shown))


def log_complete(title: str, fields: Mapping[str, object]) -> None:
    """A run that is done: what its result is called, and its ids and counts."""
    _logger.info("[Orchestrator] %s pipeline complete: %s", title, json.dumps(fields))


def log_failed(where: str, code: str) -> None:
    """What went wrong, and in which run or part: its code, never its message."""
    count_error(code)
    _logger.warning("[Orchestrator] %s: %s", where, code)
