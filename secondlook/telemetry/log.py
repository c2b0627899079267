"""What is logged: ids, counts, error codes and, outside production, token usage. Nothing else, ever.

They go to the logger `secondlook`; `configure` sends it to standard error.
"""

from __future__ import annotations

import json
import logging
import sys

from secondlook.domain.runs import Run
from secondlook.domain.snapshots import SnapshotMeta

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


def log_notice(label: str, notice: str) -> None:
    """What people should know of a provider's model."""
    _logger.warning("[%s] %s", label, notice)


def log_generated(run: Run, label: str, meta: SnapshotMeta, *, production: bool) -> None:
    """An accepted answer; in production without its usage.

    Args:
        run: The run.
        label: Its provider's.
        meta: Of the snapshot.
        production: Whether this is production.
    """
    fields: dict[str, object] = {
        "snapshot_id": meta.snapshot_id,
        "estimate_count": meta.estimate_count,
        "confidence_level": meta.confidence_level,
    }
    if not production:
        fields["usage"] = run.usage.model_dump(include={"prompt_tokens", "completion_tokens", "total_tokens"})
    _logger.info("[%s] Snapshot generated: %s", label, json.dumps(fields))


def log_complete(meta: SnapshotMeta) -> None:
    """A run that is done."""
    fields = meta.model_dump(include={"snapshot_id", "source_id", "estimate_count", "confidence_level"})
    _logger.info("[Orchestrator] Snapshot pipeline complete: %s", json.dumps(fields))


def log_failed(where: str, code: str) -> None:
    """What went wrong, and in which run or part: its code, never its message."""
    _logger.warning("[Orchestrator] %s: %s", where, code)
