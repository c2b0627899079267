"""The domain's words as frozen, strict types: what flows between the layers.

Counts are integers ≥ 0, money is in US dollars, durations are in milliseconds, and points in time are
UTC, written `YYYY-MM-DDTHH:MM:SSZ`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=0)]
ConfidenceLevel = Literal["low", "medium", "high"]
AgentName = Literal["openai", "offline"]

REHEARSAL = "rehearsal-"
"""Begins the model's name of a rehearsal: a run whose agent misbehaves on purpose."""


class PriceBand(StrEnum):
    """Bands of an estimate's amount a, in dollars; a lower bound belongs to its band."""

    LT_500 = "<500"
    FROM_500 = "500-1500"
    FROM_1500 = "1500-5000"
    FROM_5000 = "5000+"


class LatencyBand(StrEnum):
    """Bands of whole days from an estimate's creation to its close; both bounds belong to the band."""

    DAYS_0_2 = "0-2d"
    DAYS_3_7 = "3-7d"
    DAYS_8_21 = "8-21d"
    DAYS_22 = "22+d"


class Frozen(BaseModel):
    """Base of every domain type: immutable, no unknown fields, no coercion."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class WeekCount(Frozen):
    """Estimates closed in one ISO week, `YYYY-Www` in UTC."""

    week: str
    count: Count


class BandCount(Frozen):
    """Estimates in one price or latency band."""

    band: str
    count: Count


class Demand(Frozen):
    """How many estimates, when and at what price."""

    weekly_volume: tuple[WeekCount, ...]
    price_distribution: tuple[BandCount, ...]


class DecisionLatency(Frozen):
    """How long customers took to decide."""

    distribution: tuple[BandCount, ...]


class AgentInput(Frozen):
    """Everything the agent sees: aggregates, and nothing that says whose they are."""

    demand: Demand
    decision_latency: DecisionLatency
    estimate_count: Count
    confidence_level: ConfidenceLevel


class SnapshotMeta(Frozen):
    """Which snapshot this is; the three identity fields are set by the code, never by the agent."""

    snapshot_id: str
    source_id: str
    generated_at: str
    estimate_count: Count
    confidence_level: ConfidenceLevel


class SnapshotResult(Frozen):
    """The locked result: exactly these keys are stored."""

    meta: SnapshotMeta
    demand: Demand
    decision_latency: DecisionLatency


class Source(Frozen):
    """One user's set of estimates. Its type and status are read as they are; others may add values."""

    source_id: str
    user_id: str
    source_type: str
    source_name: str
    status: str
    created_at: str


class SourceRecord(Frozen):
    """What one read of the store brings for a snapshot.

    Attributes:
        source: The source itself.
        buckets: Its estimate_buckets row, unchecked, or None where it owns none.
        estimate_rows: How many rows estimates_normalized holds for it; no row is ever fetched.
        snapshot: The row of its newest snapshot, unchecked; None where it has none, or nobody asked for it.
    """

    source: Source
    buckets: Mapping[str, object] | None
    estimate_rows: Count
    snapshot: Mapping[str, object] | None = None


class Buckets(Frozen):
    """A checked buckets row: bands in their order, zeros included; weeks in order of time."""

    price: tuple[BandCount, ...]
    latency: tuple[BandCount, ...]
    weeks: tuple[WeekCount, ...]


class SourceRow(Frozen):
    """A line of the list of sources; counts are None where the buckets row cannot be read."""

    source: Source
    estimate_count: Count | None
    confidence_level: ConfidenceLevel | None
    snapshot_id: str | None
    snapshot_at: str | None


SortKey = Literal["name", "type", "status", "created"]


class SourceQuery(Frozen):
    """Which sources to list: a part of their name, a status, an order, a page.

    Attributes:
        known_total: The number of matches where the caller has it already: counting them takes longer
            than reading a page.
    """

    search: str = ""
    status: str | None = None
    sort: SortKey = "name"
    descending: bool = False
    offset: Count = 0
    limit: Annotated[int, Field(ge=1)] = 25
    known_total: Count | None = None


class SourcePage(Frozen):
    """One page of the list and the number of sources that match in all."""

    rows: tuple[SourceRow, ...]
    total: Count


class Snapshot(Frozen):
    """A row of the product's table `snapshots`."""

    snapshot_id: str
    source_id: str
    user_id: str
    estimate_count: Count
    confidence_level: ConfidenceLevel
    result: SnapshotResult
    generated_at: str


class SnapshotRow(Frozen):
    """A line of the history of snapshots; what a row holds of another kind is None or empty."""

    snapshot_id: str
    source_id: str
    source_name: str
    estimate_count: Count | None
    confidence_level: str
    generated_at: str


class SnapshotPage(Frozen):
    """One page of the history and the number of snapshots in all."""

    rows: tuple[SnapshotRow, ...]
    total: Count


class Usage(Frozen):
    """Tokens of one answer; None is unknown, which is not 0.

    Attributes:
        estimated: True where nobody counted them (the offline agent).
    """

    prompt_tokens: Count | None = None
    completion_tokens: Count | None = None
    total_tokens: Count | None = None
    cached_tokens: Count | None = None
    estimated: bool = False


@dataclass(frozen=True)
class Completion:
    """What could be read of an answer's body; `problem` says why there is nothing to check.

    Not a pydantic type: the text may hold what pydantic refuses in a string, such as lone surrogates.

    Attributes:
        problem: None where the body is a chat completion.
        text: The message's content.
        refusal: The model's refusal, where it refused.
    """

    problem: str | None = None
    text: str | None = None
    refusal: str | None = None
    finish_reason: str | None = None
    model: str | None = None
    usage: Usage = field(default_factory=Usage)


class RateLimits(Frozen):
    """What a provider says it will still take; None where it does not say. Resets are in seconds from now."""

    requests: Count | None
    requests_reset: float
    tokens: Count | None
    tokens_reset: float


class AgentAnswer(Frozen):
    """An answer as it arrived, before anything looked at it.

    Attributes:
        body: The whole body of the HTTP answer.
        http_status: The status it came with.
        latency_ms: From sending to the last byte.
        provider_ms: The provider's own time, where it tells (openai-processing-ms).
        limits: What the provider will still take, where it tells.
    """

    body: str
    usage: Usage
    model: str | None
    request_id: str | None
    latency_ms: int
    provider_ms: int | None
    http_status: int = 200
    limits: RateLimits | None = None


class RunStatus(StrEnum):
    """Where a run stands."""

    QUEUED = "queued"
    CALLING = "calling"
    ANSWERED = "answered"
    DONE = "done"
    FAILED = "failed"
    IN_DOUBT = "in_doubt"
    CANCELLED = "cancelled"

    @property
    def active(self) -> bool:
        """True where the run goes on by itself."""
        return self in {RunStatus.QUEUED, RunStatus.CALLING, RunStatus.ANSWERED}

    @property
    def final(self) -> bool:
        """True where nothing more happens to the run, unless a person acts."""
        return self in {RunStatus.DONE, RunStatus.FAILED, RunStatus.CANCELLED}


class RunError(Frozen):
    """Why a run is not done."""

    code: str
    message: str
    hint: str = ""
    reason: str | None = None
    path: str | None = None


class Plan(Frozen):
    """All that a run needs, decided before it is queued: checked, built, and not yet sent.

    Attributes:
        request: The exact body of the request to the agent.
        timings: Milliseconds of each step so far.
    """

    source_id: str
    user_id: str
    agent: AgentName
    model: str
    prompt_version: str
    agent_input: AgentInput
    request: Mapping[str, object]
    warnings: tuple[str, ...]
    timings: Mapping[str, float]


class Run(Frozen):
    """One press of the button, as the ledger knows it. Its id is its snapshot's id.

    Attributes:
        number: Counts the runs of a source, from 1.
        attempts: Requests sent so far.
        cost_usd: Of every answer that was paid for, also one that came too late to count.
        answer: The journaled body of the answer that counts, or None.
        generated_at: Fixed when the answer was journaled.
        timings: Milliseconds of each finished step.
        owner: Who carries it now; only the owner may move it on.
        store: The store that its source lies in; it is never carried with another.
        batch_id: The batch it belongs to, or None.
        waits_ms: How long it still waits before it is sent again; None where it does not wait.
        erased_at: When its input, request and answer were erased: what stands in their place is empty.
    """

    run_id: str
    number: int
    source_id: str
    user_id: str
    agent: AgentName
    model: str
    prompt_version: str
    agent_input: AgentInput
    request: Mapping[str, object]
    warnings: tuple[str, ...]
    status: RunStatus
    attempts: Count
    owner: str | None
    error: RunError | None
    timings: Mapping[str, float]
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
        """True where an answer came that counts, also where it was erased since."""
        return self.answer is not None or (self.erased_at is not None and self.latency_ms is not None)

    @property
    def rehearsal(self) -> bool:
        """True where the agent was told to misbehave."""
        return self.model.startswith(REHEARSAL)


class BatchStatus(StrEnum):
    """Where a batch stands."""

    FILLING = "filling"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    ENDED = "ended"


class Batch(Frozen):
    """Runs of many sources of a user, begun by one action.

    Attributes:
        concurrency: Runs at a time, at the most.
        per_minute: Runs begun a minute, at the most; None is as many as there is room for.
        skipped: Sources that were left out before anything was sent, by the code of the reason.
        counts: Runs by status.
        failures: Failed runs by the code of their error.
        cost_usd: Of the answers so far; None where one of them has an unknown cost.
        elapsed_s: Seconds since it was begun, until its end, without those in which it stood.
    """

    batch_id: str
    user_id: str
    status: BatchStatus
    concurrency: int
    per_minute: float | None
    skipped: Mapping[str, int]
    counts: Mapping[str, int]
    failures: Mapping[str, int]
    cost_usd: Decimal | None
    created_at: str
    ended_at: str | None
    elapsed_s: float

    @property
    def total(self) -> int:
        """Runs in all."""
        return sum(self.counts.values())

    @property
    def waiting(self) -> int:
        """Runs that nothing was sent for yet."""
        return self.counts.get(RunStatus.QUEUED, 0)

    @property
    def settled(self) -> int:
        """Runs that nothing more happens to, unless a person acts."""
        return self.total - sum(self.counts.get(status, 0) for status in RunStatus if status.active)

    @property
    def ended(self) -> int:
        """Runs that something was sent for, or that were refused: the settled ones that nobody cancelled."""
        return self.settled - self.counts.get(RunStatus.CANCELLED, 0)

    @property
    def per_minute_now(self) -> float | None:
        """Runs that ended a minute, over the whole time in which it went on; None before the first."""
        return self.ended / self.elapsed_s * 60 if self.ended and self.elapsed_s > 0 else None

    @property
    def left_s(self) -> float | None:
        """About how many seconds it will still take; None where that cannot be said."""
        rate = self.per_minute_now
        if rate is None or self.status is not BatchStatus.RUNNING:
            return None
        return (self.total - self.settled) / rate * 60


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
    agent: AgentName
    result: SnapshotResult
    usage: Usage
    cost: Decimal | None
    model: str
    request_id: str | None
    attempts: Count
    timings: Mapping[str, float]
    warnings: tuple[str, ...]
