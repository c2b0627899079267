"""The outcome of a finished run: its snapshot, or its error."""

from __future__ import annotations

from secondlook.domain.runs import Run, RunStatus, SnapshotRun
from secondlook.domain.snapshots import SnapshotResult
from secondlook.errors import (
    AnswerRejected,
    InDoubt,
    RequestInvalid,
    SecondlookError,
    SourceNotFound,
    rebuild,
)
from secondlook.ledger.rows import in_doubt
from secondlook.pipeline.answers import result_of
from secondlook.tasks.base import Tasks
from secondlook.tasks.insights.task import Insights
from secondlook.tasks.table import TASKS


def outcome(run: Run, tasks: Tasks = TASKS) -> SnapshotRun:
    """The snapshot of a finished run.

    Raises:
        SecondlookError: It has failed, was canceled, its outcome is unknown, its answer was erased,
            or it made no snapshot.
    """
    if run.status is not RunStatus.DONE:
        raise error_of(run)
    if run.erased_at is not None:
        raise SourceNotFound(
            f"The answer of this run was erased at {run.erased_at}",
            hint="The snapshot that it made is in the store. To make another one, generate it again.",
            run_id=run.run_id,
        )
    result = result_of(run, tasks)
    if not isinstance(result, SnapshotResult):
        raise RequestInvalid(f"The run is of the task {run.task}: it made no snapshot")
    return SnapshotRun(
        run_id=run.run_id,
        snapshot_id=run.run_id,
        source_id=run.source_id,
        agent=run.agent,
        result=result,
        usage=run.usage,
        cost=run.cost_usd,
        model=run.answered_model or run.model,
        request_id=run.request_id,
        attempts=run.attempts,
        timings={**run.timings, "total": total_ms(run)},
        warnings=run.warnings,
    )


def insights_of(run: Run, tasks: Tasks = TASKS) -> Insights | None:
    """The sentences of a finished run's answer; None where there are none to show.

    There are none where it is not done, where its answer was rejected as a whole, or was erased.
    """
    if run.status is not RunStatus.DONE or run.erased_at is not None:
        return None
    try:
        result = result_of(run, tasks)
    except AnswerRejected:  # an answer that an earlier version's rules accepted
        return None
    return result if isinstance(result, Insights) else None


def total_ms(run: Run) -> int:
    """The whole run so far: its preparation, and the time since it was queued."""
    return round(run.timings.get("load", 0) + run.timings.get("check", 0)) + run.elapsed_ms


def error_of(run: Run) -> SecondlookError:
    """The error that a run ended with, or is blocked by."""
    if run.status is RunStatus.CANCELLED or run.error is None:
        error: SecondlookError = InDoubt(
            "The run was canceled without an answer",
            hint="Generate the snapshot again to start a new run.",
            run_id=run.run_id,
        )
    elif run.status is RunStatus.IN_DOUBT:
        error = in_doubt(run)
    else:
        kept = run.error
        error = rebuild(
            kept.code, kept.message, hint=kept.hint, run_id=run.run_id, reason=kept.reason, path=kept.path
        )
    error.usage = run.usage if run.answered else None
    return error
