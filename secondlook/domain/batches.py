"""Runs of many sources, begun by one action."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum

from secondlook.domain.base import Frozen
from secondlook.domain.runs import TRIAL, RunStatus


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
        held: Queued runs that it has not released yet.
        stalled: Whether it is being filled, and nobody has queued a run of it for a while.
        task: The task of its runs; None while it has none.
        elapsed_s: Seconds since it was begun, until its end, without those in which it was paused or stopped.
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
    held: int = 0
    stalled: bool = False
    task: str | None = None

    @property
    def total(self) -> int:
        """Runs in all."""
        return sum(self.counts.values())

    @property
    def waiting(self) -> int:
        """Runs that nothing was sent for yet."""
        return self.counts.get(RunStatus.QUEUED, 0)

    @property
    def finished(self) -> int:
        """Runs that nothing more happens to, unless a person acts."""
        return self.total - sum(self.counts.get(status, 0) for status in RunStatus if status.active)

    @property
    def ended(self) -> int:
        """Runs that something was sent for, or that were refused: the finished ones that nobody canceled."""
        return self.finished - self.counts.get(RunStatus.CANCELLED, 0)

    @property
    def completed(self) -> int:
        """How far it has come: its finished runs, of a stopped one without those that it can go on with."""
        return self.ended if self.status is BatchStatus.STOPPED else self.finished

    @property
    def in_flight(self) -> int:
        """Runs that were released and are not finished: they go on by themselves, whatever its status."""
        return self.total - self.finished - self.held

    @property
    def trial(self) -> bool:
        """Whether its runs try a model and make no snapshots."""
        return self.task == TRIAL

    @property
    def moving(self) -> bool:
        """Whether anything of it goes on by itself."""
        return self.status in {BatchStatus.FILLING, BatchStatus.RUNNING} or self.in_flight > 0

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
        return (self.total - self.finished) / rate * 60
