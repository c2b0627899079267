"""What is shown of a run: pages, command line, API, exports and reports print what is computed here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from secondlook.domain.run_filter import RunFilter
from secondlook.domain.runs import Run, RunStatus, SnapshotRun
from secondlook.domain.usage import Usage
from secondlook.errors import SecondlookError
from secondlook.ledger.history import History, RunRow
from secondlook.ledger.reviews import Review, Reviews
from secondlook.pipeline.answers import usage_problem
from secondlook.pipeline.outcome import error_of, total_ms
from secondlook.providers.table import label_of
from secondlook.views.export import Cell
from secondlook.views.figures import duration, money, tokens

STATUS: Mapping[RunStatus, str] = {
    RunStatus.QUEUED: "Queued",
    RunStatus.CALLING: "Calling agent",
    RunStatus.ANSWERED: "Answer received",
    RunStatus.DONE: "Done",
    RunStatus.FAILED: "Failed",
    RunStatus.IN_DOUBT: "Outcome unknown",
    RunStatus.CANCELLED: "Canceled",
}
"""The words for each status, wherever people read one. Programs read its value."""

_OUTCOMES: Mapping[RunStatus, str] = {
    RunStatus.DONE: "Snapshot saved in {}",
    RunStatus.FAILED: "Failed after {}",
    RunStatus.IN_DOUBT: "Outcome unknown",
    RunStatus.CANCELLED: "Canceled",
}


@dataclass(frozen=True)
class RunView:
    """What is shown of a run; what is unknown says so.

    Attributes:
        status: Its status in words.
        outcome: Its status and how long it took.
        error: What it ended with, or waits because of; None where there is no error.
        agent: Who answers it.
        model: The model that answered, or the one that was asked where no answer names one.
        answered_model: The model that answered.
        prompt_tokens: Of the answer, like the other counts; an estimate is marked with ≈.
        reasoning: Tokens of the completion that were reasoning, by their label; empty where none were told.
        usage_problem: Why its tokens are unknown, by its label; empty where they are known.
        cost: Of all its answers.
        total: From its preparation to its end, or until now.
        call: From sending to the last byte of the answer.
        provider: The part of the call that the provider reports as its own.
        overhead: The rest of the call: network and this program.
    """

    status: str
    outcome: str
    error: SecondlookError | None
    agent: str
    model: str
    answered_model: str
    prompt_tokens: str
    completion_tokens: str
    total_tokens: str
    cached_tokens: str
    reasoning: Mapping[str, str]
    usage_problem: Mapping[str, str]
    cost: str
    total: str
    call: str
    provider: str
    overhead: str


def view_run(run: Run) -> RunView:
    """Return what is shown of a run."""
    usage, call, provider = run.usage, run.latency_ms, run.provider_ms
    nothing = "unknown" if run.status in {RunStatus.IN_DOUBT, RunStatus.CALLING} else "none"
    total, problem = duration(total_ms(run)), usage_problem(run)
    ended_in_error = run.status in {RunStatus.IN_DOUBT, RunStatus.CANCELLED}

    def count(number: int | None) -> str:
        return tokens(number, estimated=usage.estimated) if run.answered else nothing

    return RunView(
        status=STATUS[run.status],
        outcome=_outcome(run).format(total),
        error=error_of(run) if run.error is not None or ended_in_error else None,
        agent=label_of(run.agent),
        model=run.answered_model or run.model,
        answered_model=run.answered_model or "unknown",
        prompt_tokens=count(usage.prompt_tokens),
        completion_tokens=count(usage.completion_tokens),
        total_tokens=count(usage.total_tokens),
        cached_tokens=count(usage.cached_tokens),
        reasoning=(
            {} if usage.reasoning_tokens is None else {"Reasoning tokens": count(usage.reasoning_tokens)}
        ),
        usage_problem={} if problem is None else {"Usage unknown": problem},
        cost=money(run.cost_usd, estimated=usage.estimated) if run.answered else nothing,
        total=total,
        call=_time(call),
        provider=_time(provider),
        overhead=_time(None if call is None or provider is None else max(0, call - provider)),
    )


def _outcome(run: Run) -> str:
    if run.status is RunStatus.DONE and not run.makes_snapshot:
        return "Answer accepted in {}"
    return _OUTCOMES.get(run.status, "Generating… {}")


def _time(milliseconds: int | None) -> str:
    return "unknown" if milliseconds is None else duration(milliseconds)


# -- JSON and CSV ---------------------------------------------------------------------------------------


def run_fields(run: Run) -> dict[str, object]:
    """A run as `secondlook runs --json` prints it and the API answers."""
    return {
        "run_id": run.run_id,
        "task": run.task,
        "source_id": run.source_id,
        "user_id": run.user_id,
        "agent": run.agent,
        "status": str(run.status),
        "error_code": run.error.code if run.error else None,
        "attempts": run.attempts,
        "usage": run.usage.model_dump() if run.answered else None,
        "usage_problem": usage_problem(run),
        "cost_usd": None if run.cost_usd is None else float(run.cost_usd),
        "model": run.answered_model or run.model,
        "created_at": run.created_at,
        "finished_at": run.finished_at,
    }


def snapshot_fields(made: SnapshotRun) -> dict[str, object]:
    """A finished run as `secondlook snapshot --json` prints it; latency_ms is the whole run."""
    return {
        "run_id": made.run_id,
        "snapshot_id": made.snapshot_id,
        "source_id": made.source_id,
        "agent": made.agent,
        "result": made.result.model_dump(mode="json"),
        "usage": made.usage.model_dump(),
        "cost_usd": None if made.cost is None else float(made.cost),
        "model": made.model,
        "request_id": made.request_id,
        "attempts": made.attempts,
        "latency_ms": round(made.timings["total"]),
        "warnings": list(made.warnings),
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
    "task",
)
"""The columns of exported lists, in their order."""

_RENAMED = {
    "model_asked": "model",
    "model_answered": "answered_model",
    "reviews_passed": "passed",
    "reviews_failed": "failed",
}


def row_fields(row: RunRow, reviews: Sequence[Review] = ()) -> dict[str, Cell]:
    """A line of an exported list; what is unknown is None."""
    usage = row.usage if row.answered else Usage()
    computed: dict[str, Cell] = {
        "status": str(row.status),
        "error_code": None if row.error is None else row.error.code,
        "reason": None if row.error is None else row.error.reason,
        "path": None if row.error is None else row.error.path,
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
        "usage_estimated": usage.estimated if row.answered else None,
        "review_notes": " | ".join(map(_note, reviews)) or None,
    }
    return {
        name: computed[name] if name in computed else getattr(row, _RENAMED.get(name, name))
        for name in COLUMNS
    }


def _note(review: Review) -> str:
    said = f"{'pass' if review.passed else 'fail'} by {review.reviewer}"
    return f"{said}: {review.note}" if review.note else said


def exported(
    history: History, reviews: Reviews, wanted: RunFilter, *, only: str | None
) -> Sequence[Mapping[str, Cell]]:
    """All runs that match a filter, as lines of an export, newest first."""
    rows = history.all(wanted, only=only)
    found = reviews.of_runs([row.run_id for row in rows if row.passed or row.failed])
    return [row_fields(row, found.get(row.run_id, ())) for row in rows]
