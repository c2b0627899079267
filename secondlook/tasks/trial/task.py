"""The trial as a task: the snapshot's question, rules and trace, and a result that only the journal keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from secondlook.domain.answers import Completion
from secondlook.domain.buckets import AgentInput
from secondlook.domain.questions import Question
from secondlook.domain.runs import TRIAL, Run
from secondlook.tasks.base import ProductTables, Step, Task, Trace
from secondlook.tasks.snapshot.rules import Json
from secondlook.tasks.snapshot.task import SnapshotTask

_SNAPSHOT = SnapshotTask()


class TrialTask(Task[AgentInput, Json]):
    """The agent is asked for a snapshot, and the product's tables stay as they are."""

    name = TRIAL
    title = "Trial"
    prompt_version = _SNAPSHOT.prompt_version
    input_type = AgentInput

    def question(self, given: AgentInput) -> Question:
        """The snapshot's question."""
        return _SNAPSHOT.question(given)

    def check(self, completion: Completion, given: AgentInput) -> Json:
        """The answer that the snapshot's rules accept."""
        return _SNAPSHOT.check(completion, given)

    def result(self, run: Run, accepted: object) -> Json:  # noqa: ARG002 -- a trial's answer gets no identity
        """The answer as it came."""
        return cast("Json", accepted)

    def trace(self, completion: Completion | None, given: AgentInput | None) -> Trace:
        """Every value of the input next to the answer's."""
        return _SNAPSHOT.trace(completion, given)

    def keep(self, run: Run, result: Json, tables: ProductTables, step: Step) -> tuple[str, ...]:  # noqa: ARG002
        """Store nothing and mark nothing: the journal has the answer."""
        return ()

    def log_fields(self, result: Json) -> Mapping[str, object]:
        """Its count and its confidence level."""
        meta = cast("Json", result["meta"])
        return {name: meta[name] for name in ("estimate_count", "confidence_level")}
