"""The snapshot as a task: what is asked, what is accepted, and steps 7 to 9, which keep it."""

from __future__ import annotations

import json
from typing import Any, cast

from secondlook.domain.answers import Completion
from secondlook.domain.buckets import AgentInput
from secondlook.domain.questions import Question
from secondlook.domain.runs import SNAPSHOT, Run
from secondlook.domain.snapshots import Snapshot, SnapshotResult
from secondlook.tasks.base import ProductTables, Step, Task, Trace
from secondlook.tasks.snapshot import prompt, rules
from secondlook.tasks.snapshot.trace import trace


class SnapshotTask(Task[AgentInput, SnapshotResult]):
    """The agent repeats a source's aggregates; the result is stored as a snapshot."""

    name = SNAPSHOT
    title = "Snapshot"
    prompt_version = prompt.PROMPT_VERSION
    input_type = AgentInput

    def question(self, given: AgentInput) -> Question:
        """The aggregates, to be repeated."""
        return prompt.question(given)

    def check(self, completion: Completion, given: AgentInput) -> rules.Json:
        """The answer where it repeats the input exactly."""
        return rules.check_answer(completion, given)

    def result(self, run: Run, accepted: object) -> SnapshotResult:
        """The result as it is stored: with its identity, which the agent does not know."""
        return set_metadata(
            cast("rules.Json", accepted),
            snapshot_id=run.run_id,
            source_id=run.source_id,
            generated_at=run.generated_at or "",
        )

    def trace(self, completion: Completion | None, given: AgentInput | None) -> Trace:
        """Every value of the input next to the answer's."""
        return trace(completion, given)

    def keep(self, run: Run, result: SnapshotResult, tables: ProductTables, step: Step) -> tuple[str, ...]:
        """Insert the snapshot, then mark its source."""
        with step("store"):
            tables.save_snapshot(_snapshot(run, result))
        with step("mark"):
            marked = tables.mark_generated(run.source_id, run.user_id)
        return () if marked else ("the source's status changed meanwhile and was left alone",)

    def log_fields(self, result: SnapshotResult) -> dict[str, Any]:
        """Its ids, its count and its confidence level."""
        shown = {"snapshot_id", "source_id", "estimate_count", "confidence_level"}
        return result.meta.model_dump(include=shown)


def set_metadata(
    answer: rules.Json, *, snapshot_id: str, source_id: str, generated_at: str
) -> SnapshotResult:
    """The result as it is stored: an accepted answer with its identity, which the agent does not know."""
    identity = {"snapshot_id": snapshot_id, "source_id": source_id, "generated_at": generated_at}
    meta = {**cast("rules.Json", answer["meta"]), **identity}
    return SnapshotResult.model_validate_json(json.dumps({**answer, "meta": meta}))


def _snapshot(run: Run, result: SnapshotResult) -> Snapshot:
    return Snapshot(
        snapshot_id=run.run_id,
        source_id=run.source_id,
        user_id=run.user_id,
        estimate_count=result.meta.estimate_count,
        confidence_level=result.meta.confidence_level,
        result=result,
        generated_at=result.meta.generated_at,
    )
