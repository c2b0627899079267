"""One run under the lens: what was sent, what came back, what was checked, and what people say of it.

The page and the command line look through the same one, and the export is what they show.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from secondlook.domain.run_filter import RunFilter, Verdict
from secondlook.domain.runs import Run
from secondlook.domain.sources import Source
from secondlook.domain.usage import Usage
from secondlook.errors import SourceNotFound
from secondlook.ledger.history import Call, History, RunRow, verdict_of
from secondlook.ledger.reviews import Review, Reviews
from secondlook.ledger.runs import Ledger
from secondlook.pipeline.orchestrator import completion_of
from secondlook.stores.base import Store
from secondlook.tasks.snapshot.trace import Cell, Check, Trace, trace
from secondlook.views import export
from secondlook.views.figures import run_fields


@dataclass(frozen=True)
class RunDetails:
    """A run with all that is known of it."""

    run: Run
    calls: tuple[Call, ...]
    reviews: tuple[Review, ...]
    trace: Trace

    @property
    def verdict(self) -> Verdict:
        """What became of its answer."""
        return verdict_of(self.run.status, self.run.error)


def look(ledger: Ledger, history: History, reviews: Reviews, run_id: str, *, only: str | None) -> RunDetails:
    """A run under the lens.

    Args:
        ledger: Where it is kept.
        history: The same ledger, looked back at.
        reviews: What is said of its runs.
        run_id: The run.
        only: The user whose runs may be seen; None for a reviewer, who sees everybody's.

    Raises:
        SourceNotFound: No such run, or one that may not be seen.
    """
    run = ledger.get(run_id, only)
    return RunDetails(
        run=run,
        calls=history.calls(run.run_id),
        reviews=reviews.of_run(run.run_id),
        trace=trace(run.agent_input, completion_of(run)),
    )


@dataclass(frozen=True)
class Left:
    """What the store holds of a run now.

    Attributes:
        source: Its source; None where it is gone.
        snapshot: Whether its snapshot is there.
    """

    source: Source | None
    snapshot: bool


def left_behind(run: Run, store: Store) -> Left:
    """Look for a run's source and snapshot.

    Args:
        run: The run.
        store: The store, as the run's user may see it.

    Raises:
        StoreUnavailable: It cannot be read.
    """
    try:
        record = store.load(run.source_id, run.user_id)
    except SourceNotFound:
        record = None
    found = store.get_snapshot(run.run_id, run.user_id)
    return Left(None if record is None else record.source, found is not None)


# -- giving it away -------------------------------------------------------------------------------------


def fields(lens: RunDetails) -> dict[str, object]:
    """A run as `secondlook runs show --json` prints it and as the page exports it."""
    run, found = lens.run, lens.trace
    held = run.answer is not None and found.readable
    return {
        **run_fields(run),
        "number": run.number,
        "verdict": lens.verdict,
        "rehearsal": run.rehearsal,
        "prompt_version": run.prompt_version,
        "model_asked": run.model,
        "model_answered": run.answered_model,
        "request_id": run.request_id,
        "latency_ms": run.latency_ms,
        "provider_ms": run.provider_ms,
        "timings": dict(run.timings),
        "warnings": list(run.warnings),
        "error": None if run.error is None else run.error.model_dump(),
        "store": run.store,
        "batch_id": run.batch_id,
        "started_at": run.started_at,
        "generated_at": run.generated_at,
        "matched": found.matched if held else None,
        "values": found.values if held else None,
        "differing": found.differing if held else None,
        "findings": list(found.findings),
        "checks": [_check_fields(check) for check in found.checks],
        "differences": [_cell_fields(cell) for cell in found.cells if held and not cell.matches],
        "differences_cut": found.cut,
        "attempts_made": [_call_fields(call) for call in lens.calls],
        "reviews": [asdict(review) for review in lens.reviews],
        "erased_at": run.erased_at,
        "input": run.agent_input.model_dump(mode="json") if run.erased_at is None else None,
        "request": dict(run.request) if run.erased_at is None else None,
        "answer": run.answer,
    }


def _check_fields(check: Check) -> dict[str, object]:
    return {
        "rule": check.rule.name,
        "words": check.rule.words,
        "state": check.state,
        "reason": check.reason,
        "path": check.path,
    }


def _cell_fields(cell: Cell) -> dict[str, object]:
    return {"path": cell.path, "entry": cell.entry, "sent": cell.sent, "came": cell.came, "mark": cell.mark}


def _call_fields(call: Call) -> dict[str, object]:
    return {
        "number": call.number,
        "sent_at": call.sent_at,
        "ended_at": call.ended_at,
        "outcome": call.outcome,
        "counts": call.counts,
        "http_status": call.http_status,
        "error": call.error,
        "model": call.model,
        "request_id": call.request_id,
        "usage": call.usage.model_dump() if call.outcome == "answered" else None,
        "cost_usd": None if call.cost_usd is None else float(call.cost_usd),
        "latency_ms": call.latency_ms,
        "provider_ms": call.provider_ms,
    }


COLUMNS = (
    "run_id",
    "created_at",
    "finished_at",
    "status",
    "verdict",
    "error_code",
    "reason",
    "path",
    "agent",
    "model_asked",
    "model_answered",
    "prompt_version",
    "user_id",
    "source_id",
    "attempts",
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "usage_estimated",
    "cost_usd",
    "latency_ms",
    "provider_ms",
    "request_id",
    "reviews_passed",
    "reviews_failed",
    "review_notes",
)
"""The columns of exported lists, in their order."""


def row_fields(row: RunRow, said: Sequence[Review] = ()) -> dict[str, export.Cell]:
    """A line of an exported list; what is unknown is None."""
    usage = row.usage if row.answered else Usage()
    return {
        "run_id": row.run_id,
        "created_at": row.created_at,
        "finished_at": row.finished_at,
        "status": str(row.status),
        "verdict": row.verdict,
        "error_code": None if row.error is None else row.error.code,
        "reason": None if row.error is None else row.error.reason,
        "path": None if row.error is None else row.error.path,
        "agent": row.agent,
        "model_asked": row.model,
        "model_answered": row.answered_model,
        "prompt_version": row.prompt_version,
        "user_id": row.user_id,
        "source_id": row.source_id,
        "attempts": row.attempts,
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
        "usage_estimated": usage.estimated if row.answered else None,
        "cost_usd": row.cost_usd,
        "latency_ms": row.latency_ms,
        "provider_ms": row.provider_ms,
        "request_id": row.request_id,
        "reviews_passed": row.passed,
        "reviews_failed": row.failed,
        "review_notes": " | ".join(_note(review) for review in said) or None,
    }


def _note(review: Review) -> str:
    word = "pass" if review.passed else "fail"
    return f"{word} by {review.reviewer}: {review.note}" if review.note else f"{word} by {review.reviewer}"


def exported(
    history: History, reviews: Reviews, wanted: RunFilter, *, only: str | None
) -> Sequence[Mapping[str, export.Cell]]:
    """All runs that a filter means, as lines of an export, newest first."""
    rows = history.all(wanted, only=only)
    reviewed = [row.run_id for row in rows if row.passed or row.failed]
    said = reviews.of_runs(reviewed)
    return [row_fields(row, said.get(row.run_id, ())) for row in rows]
