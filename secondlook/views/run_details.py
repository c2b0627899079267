"""Run details: what was sent, what came back, what was checked, and what reviewers say.

The page, the command line and the export of one run all show these.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from secondlook.domain.runs import Run
from secondlook.domain.sources import Source
from secondlook.errors import SourceNotFound
from secondlook.ledger.history import Call, History
from secondlook.ledger.reviews import Review, Reviews
from secondlook.ledger.runs import Ledger
from secondlook.pipeline.answers import trace_of
from secondlook.stores.base import Store
from secondlook.tasks.base import Cell, Trace
from secondlook.tasks.checklist import Check
from secondlook.views.run import RunView, run_fields, view_run


@dataclass(frozen=True)
class RunDetails:
    """A run with all that is known of it.

    Attributes:
        view: What is shown of the run itself.
        trace: Its answer compared with its input, rule by rule and value by value.
    """

    run: Run
    view: RunView
    calls: tuple[Call, ...]
    reviews: tuple[Review, ...]
    trace: Trace


def read_details(
    ledger: Ledger, history: History, reviews: Reviews, run_id: str, *, only: str | None
) -> RunDetails:
    """Return a run's details.

    Args:
        ledger: The ledger that holds the run.
        history: The same ledger's past runs and calls.
        reviews: The same ledger's reviews.
        run_id: The run.
        only: The user whose runs may be seen; None for a reviewer, who sees everybody's.

    Raises:
        SourceNotFound: No such run, or one that may not be seen.
    """
    run = ledger.get(run_id, only)
    return RunDetails(
        run=run,
        view=view_run(run),
        calls=history.calls(run.run_id),
        reviews=reviews.of_run(run.run_id),
        trace=trace_of(run),
    )


@dataclass(frozen=True)
class Stored:
    """What the store holds of a run now.

    Attributes:
        source: Its source; None where it is gone.
        snapshot: Whether its snapshot is there.
    """

    source: Source | None
    snapshot: bool


def read_stored(run: Run, store: Store) -> Stored:
    """Return what the store holds of a run now.

    Args:
        run: The run.
        store: The store as the run's user may read it.

    Raises:
        StoreUnavailable: It cannot be read.
    """
    try:
        record = store.load(run.source_id, run.user_id)
    except SourceNotFound:
        record = None
    found = store.get_snapshot(run.run_id, run.user_id)
    return Stored(None if record is None else record.source, found is not None)


# -- JSON ------------------------------------------------------------------------------------------------


def details_fields(details: RunDetails) -> dict[str, object]:
    """A run as `secondlook runs show --json` prints it and as the page exports it."""
    run, found = details.run, details.trace
    compared = run.answer is not None and (found.readable or bool(found.sentences))
    return {
        **run_fields(run),
        "subject": run.subject or None,
        "number": run.number,
        "verdict": run.verdict,
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
        "matched": found.matched if compared else None,
        "values": found.values if compared else None,
        "differing": found.differing if compared else None,
        "findings": list(found.findings),
        "sentences": [asdict(each) for each in found.sentences],
        "checks": [_check_fields(check) for check in found.checks],
        "differences": [_cell_fields(cell) for cell in found.cells if compared and not cell.matches],
        "differences_cut": found.cut,
        "attempts_made": [_call_fields(call) for call in details.calls],
        "reviews": [asdict(review) for review in details.reviews],
        "erased_at": run.erased_at,
        "input": json.loads(run.input) if run.erased_at is None else None,
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
