"""What a run that has ended came to: its snapshot, or the error that it ended with."""

from __future__ import annotations

from secondlook.domain.runs import Run, RunStatus, SnapshotRun
from secondlook.domain.snapshots import SnapshotResult
from secondlook.errors import InDoubt, SecondlookError, SourceNotFound, rebuild
from secondlook.ledger.runs import in_doubt
from secondlook.tasks.snapshot import rules


def outcome(run: Run) -> SnapshotRun:
    """What a run that has ended came to.

    Raises:
        SecondlookError: It has failed, was canceled, its outcome is unknown, or its answer was erased.
    """
    if run.status is not RunStatus.DONE:
        raise error_of(run)
    if run.erased_at is not None:
        raise SourceNotFound(
            f"The answer of this run was erased at {run.erased_at}",
            hint="The snapshot that it made is in the store. To make another one, generate it again.",
            run_id=run.run_id,
        )
    return SnapshotRun(
        run_id=run.run_id,
        snapshot_id=run.run_id,
        source_id=run.source_id,
        agent=run.agent,
        result=result_of(run),
        usage=run.usage,
        cost=run.cost_usd,
        model=run.answered_model or run.model,
        request_id=run.request_id,
        attempts=run.attempts,
        timings={**run.timings, "total": total_ms(run)},
        warnings=run.warnings,
    )


def result_of(run: Run) -> SnapshotResult:
    """The result of an answered run, from its journal alone: the same at any time.

    Raises:
        AnswerRejected: The answer breaks a rule.
    """
    accepted = rules.check_answer(run.answer or "", run.agent_input)
    return rules.set_metadata(
        accepted,
        snapshot_id=run.run_id,
        source_id=run.source_id,
        generated_at=run.generated_at or "",
    )


def total_ms(run: Run) -> int:
    """The whole run so far: its preparation, and the time since it was queued."""
    return round(run.timings.get("load", 0) + run.timings.get("check", 0)) + run.elapsed_ms


def error_of(run: Run) -> SecondlookError:
    """The error that a run ended with, or stands at."""
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
