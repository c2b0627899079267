"""A run: one press of the button, from claim to end."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Literal

from secondlook.domain.base import Count, Frozen
from secondlook.domain.snapshots import SnapshotResult
from secondlook.domain.usage import Usage
from secondlook.errors import AnswerRejected

Verdict = Literal["accepted", "refused", "none"]

SNAPSHOT = "snapshot"
"""The default task of a run, and the task of every run from before there were tasks."""

INSIGHTS = "insights"
"""The task that asks what stands out in a stored snapshot, in words that its facts back."""

TRIAL = "trial"
"""The task that asks what a snapshot asks, to see how well a model answers; it stores no snapshot."""


class RunStatus(StrEnum):
    """The status of a run."""

    QUEUED = "queued"
    CALLING = "calling"
    ANSWERED = "answered"
    DONE = "done"
    FAILED = "failed"
    IN_DOUBT = "in_doubt"
    CANCELLED = "cancelled"

    @property
    def active(self) -> bool:
        """True where the run continues without a person."""
        return self in {RunStatus.QUEUED, RunStatus.CALLING, RunStatus.ANSWERED}

    @property
    def final(self) -> bool:
        """True where the run does not change unless a person acts."""
        return self in {RunStatus.DONE, RunStatus.FAILED, RunStatus.CANCELLED}


class RunError(Frozen):
    """Why a run is not done."""

    code: str
    message: str
    hint: str = ""
    reason: str | None = None
    path: str | None = None


def verdict_of(status: RunStatus, error: RunError | None) -> Verdict:
    """Return what became of a run's answer: accepted, refused by a rule, or neither."""
    if status is RunStatus.DONE:
        return "accepted"
    return "refused" if error is not None and error.code == AnswerRejected.code else "none"


class Plan(Frozen):
    """Everything that a run needs, decided before it is queued.

    Attributes:
        task: The name of its task.
        subject: What the run is about besides its source: for insights the snapshot's id, otherwise empty.
        agent: The name of the provider that is asked.
        input: What the task is about, as JSON; only the task reads it.
        request: The exact body of the request to the agent.
        timings: Milliseconds of each finished step.
    """

    task: str
    source_id: str
    user_id: str
    agent: str
    model: str
    prompt_version: str
    input: str
    request: Mapping[str, object]
    warnings: tuple[str, ...]
    timings: Mapping[str, float]
    subject: str = ""


class Run(Plan):
    """A plan in the ledger: one press of the button. A snapshot has the id of its run.

    Attributes:
        number: Counts the runs of a source, a task and a subject, from 1.
        attempts: Requests sent so far.
        cost_usd: Of every answer that was paid for, also one that came too late to count.
        answer: The journaled body of the answer that counts, or None.
        generated_at: Fixed when the answer was journaled.
        owner: The worker that executes it now; only the owner may change its state.
        store: The store that holds its source; the run is never executed with another one.
        batch_id: The batch it belongs to, or None.
        waits_ms: How long it still waits before it is sent again; None where it does not wait.
        erased_at: When its input, request and answer were erased; those are empty then.
    """

    run_id: str
    number: int
    status: RunStatus
    attempts: Count
    owner: str | None
    error: RunError | None
    answer: str | None
    answered_model: str | None
    request_id: str | None
    usage: Usage
    cost_usd: Decimal | None
    latency_ms: int | None
    provider_ms: int | None
    generated_at: str | None
    created_at: str
    started_at: str | None
    finished_at: str | None
    elapsed_ms: int
    store: str = "embedded"
    batch_id: str | None = None
    waits_ms: int | None = None
    erased_at: str | None = None

    @property
    def answered(self) -> bool:
        """True where it has an answer that counts, even if that was erased since."""
        return self.answer is not None or (self.erased_at is not None and self.latency_ms is not None)

    @property
    def verdict(self) -> Verdict:
        """Whether its answer was accepted, refused by a rule, or neither."""
        return verdict_of(self.status, self.error)

    @property
    def rehearsal(self) -> bool:
        """True where the agent was told to misbehave."""
        return self.agent == "rehearsal"

    @property
    def makes_snapshot(self) -> bool:
        """True where an accepted answer is stored as a snapshot."""
        return self.task == SNAPSHOT


class SnapshotRun(Frozen):
    """What `run_snapshot` returns: the snapshot and what it took.

    Attributes:
        agent: Which agent answered.
        cost: US dollars, or None where the price or the usage is unknown; an estimate where
            `usage.estimated` is true.
        model: The model that answered, or the one that was asked where the answer does not say.
        attempts: Requests sent.
        timings: Milliseconds by step, and `total`.
        warnings: What is odd about the buckets, in plain words.
    """

    run_id: str
    snapshot_id: str
    source_id: str
    agent: str
    result: SnapshotResult
    usage: Usage
    cost: Decimal | None
    model: str
    request_id: str | None
    attempts: Count
    timings: Mapping[str, float]
    warnings: tuple[str, ...]
