"""A source's aggregates: bands, weeks, and what the agent sees of them."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from secondlook.domain.base import Count, Frozen

ConfidenceLevel = Literal["low", "medium", "high"]


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


class Buckets(Frozen):
    """A checked buckets row: bands in their order, zeros included; weeks in order of time."""

    price: tuple[BandCount, ...]
    latency: tuple[BandCount, ...]
    weeks: tuple[WeekCount, ...]
