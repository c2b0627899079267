"""The locked result of a snapshot, and snapshots as they are stored and listed."""

from __future__ import annotations

from secondlook.domain.base import Count, Frozen
from secondlook.domain.buckets import ConfidenceLevel, DecisionLatency, Demand


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
