"""The locked result as somebody who uses a library would write it: plain pydantic models."""

from __future__ import annotations

from pydantic import BaseModel


class Week(BaseModel):
    """Estimates closed in a week."""

    week: str
    count: int


class Band(BaseModel):
    """Estimates in a band."""

    band: str
    count: int


class Meta(BaseModel):
    """Which snapshot this is."""

    snapshot_id: str
    source_id: str
    generated_at: str
    estimate_count: int
    confidence_level: str


class Demand(BaseModel):
    """How many estimates, when and at what price."""

    weekly_volume: list[Week]
    price_distribution: list[Band]


class DecisionLatency(BaseModel):
    """How long customers took to decide."""

    distribution: list[Band]


class SnapshotResult(BaseModel):
    """The whole answer."""

    meta: Meta
    demand: Demand
    decision_latency: DecisionLatency
