"""What is logged: ids, counts, error codes and, outside production, token usage. Nothing else, ever.

They go to the logger `secondlook`; `configure` sends it to standard error.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping

from secondlook.domain.runs import Run

_logger = logging.getLogger("secondlook")
_logger.addHandler(logging.NullHandler())


def configure() -> None:
    """Write the log to standard error: for programs, never for the library."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    _logger.handlers = [handler]
    _logger.setLevel(logging.INFO)
    _logger.propagate = False
    logging.getLogger("python_multipart").setLevel(logging.ERROR)  # it quotes the form that it cannot read


def log_generated(run: Run, title: str, fields: Mapping[str, object], *, production: bool) -> None:
    """An accepted answer; in production without its usage.

    Args:
        run: The run.
        title: What its result is called.
        fields: The result's ids and counts.
        production: Whether this is production.
    """
    shown = {name: value for name, value in fields.items() if name != "source_id"}
    if not production:
        shown["usage"] = run.usage.model_dump(include={"prompt_tokens", "completion_tokens", "total_tokens"})
    agent = "OpenAI" if run.agent == "openai" else "Offline agent"
    _logger.info("[%s] %s generated: %s", agent, title, json.dumps(shown))


def log_complete(title: str, fields: Mapping[str, object]) -> None:
    """A run that is done: what its result is called, and its ids and counts."""
    _logger.info("[Orchestrator] %s pipeline complete: %s", title, json.dumps(fields))


def log_failed(where: str, code: str) -> None:
    """What went wrong, and in which run or part: its code, never its message."""
    _logger.warning("[Orchestrator] %s: %s", where, code)
