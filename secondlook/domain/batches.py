"""Runs of many sources, started by one action."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum

from secondlook.domain.base import Frozen
from secondlook.domain.runs import TRIAL, RunStatus


class BatchStatus(StrEnum):
    """The status of a batch."""

    FILLING = "filling"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    ENDED = "ended"


class Batch(Frozen):
    """Runs of many sources of a user, started by one action.

    Attributes:
        concurrency: The most runs at the same time.
        per_minute: The most runs started per minute; None is no limit.
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
        """Runs for which no request was sent yet."""
        return self.counts.get(RunStatus.QUEUED, 0)

    @property
    def finished(self) -> int:
        """Runs that do not change unless a person acts."""
        return self.total - sum(self.counts.get(status, 0) for status in RunStatus if status.active)

    @property
    def ended(self) -> int:
        """Finished runs that nobody canceled."""
        return self.finished - self.counts.get(RunStatus.CANCELLED, 0)

    @property
    def completed(self) -> int:
        """Finished runs, as progress; a stopped batch does not count those that it can resume."""
        return self.ended if self.status is BatchStatus.STOPPED else self.finished

    @property
    def in_flight(self) -> int:
        """Runs that were released and are not finished; they continue whatever the batch's status."""
        return self.total - self.finished - self.held

    @property
    def trial(self) -> bool:
        """Whether its runs try a model and make no snapshots."""
        return self.task == TRIAL

    @property
    def moving(self) -> bool:
        """Whether any of its runs is still active."""
        return self.status in {BatchStatus.FILLING, BatchStatus.RUNNING} or self.in_flight > 0

    @property
    def per_minute_now(self) -> float | None:
        """Finished runs per minute over its elapsed time; None before the first."""
        return self.ended / self.elapsed_s * 60 if self.ended and self.elapsed_s > 0 else None

    @property
    def left_s(self) -> float | None:
        """The estimated seconds until it ends; None where that is unknown."""
        rate = self.per_minute_now
        if rate is None or self.status is not BatchStatus.RUNNING:
            return None
        return (self.total - self.finished) / rate * 60
