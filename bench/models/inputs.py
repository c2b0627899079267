"""Random inputs, the same ones each time, and the prompts that they are sent by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby, pairwise
from random import Random

from secondlook.domain.bucket_rules import build_input
from secondlook.domain.buckets import AgentInput, BandCount, Buckets, LatencyBand, PriceBand, WeekCount
from secondlook.domain.weeks import week_of
from secondlook.tasks.snapshot import prompt

Message = dict[str, str]

LAST = date(2026, 11, 16)
"""The Monday of the latest week of an input."""


def random_input(weeks: int, number: int) -> AgentInput:
    """An input of so many weeks in a row: up to 40 estimates a week, parted among the bands at random."""
    random = Random(f"{weeks} weeks, {number}")  # noqa: S311 -- inputs, not secrets
    first = LAST - timedelta(weeks=weeks - 1 + random.randrange(52))
    volume = tuple(
        WeekCount(week=week_of(first + timedelta(weeks=place)), count=random.randrange(41))
        for place in range(weeks)
    )
    total = sum(week.count for week in volume)

    def bands(names: type[PriceBand] | type[LatencyBand]) -> tuple[BandCount, ...]:
        cuts = [0, *sorted(random.randrange(total + 1) for _ in range(3)), total]
        sizes = (high - low for low, high in pairwise(cuts))
        return tuple(BandCount(band=name.value, count=size) for name, size in zip(names, sizes, strict=True))

    return build_input(Buckets(price=bands(PriceBand), latency=bands(LatencyBand), weeks=volume), total)


@dataclass(frozen=True)
class Form:
    """A way to ask for a snapshot.

    Attributes:
        messages: Makes the messages of an input.
        fixed: Whether the schema fixes the number of weeks.
    """

    messages: Callable[[AgentInput], list[Message]]
    fixed: bool = False


def packed(agent_input: AgentInput) -> list[Message]:
    """Prompt 1, which the product had until prompt 2: a line of weeks a year, a line a band."""
    demand, latency = agent_input.demand, agent_input.decision_latency
    years = [
        f"{year}-W " + " ".join(f"{week.week[-2:]}:{week.count}" for week in of_year)
        for year, of_year in groupby(demand.weekly_volume, key=lambda week: week.week[:4])
    ]
    lines = [
        "weekly_volume",
        *years,
        "price_distribution",
        *(f"{band.band}:{band.count}" for band in demand.price_distribution),
        "decision_latency",
        *(f"{band.band}:{band.count}" for band in latency.distribution),
        f"estimate_count:{agent_input.estimate_count}",
        f"confidence_level:{agent_input.confidence_level}",
    ]
    return [
        {
            "role": "system",
            "content": "Copy everything, unchanged and in order, as one line of JSON; weeks as 2026-W01; "
            'ids and generated_at as "pending".',
        },
        {"role": "user", "content": "\n".join(lines)},
    ]


def plain(agent_input: AgentInput) -> list[Message]:
    """The input as it is, as indented JSON."""
    return [
        {
            "role": "system",
            "content": "Copy everything, unchanged and in order, as one line of JSON; "
            'ids and generated_at as "pending".',
        },
        {"role": "user", "content": agent_input.model_dump_json(indent=2)},
    ]


FORMS = {
    "prompt 2": Form(prompt.messages),
    "prompt 2, number of weeks fixed": Form(prompt.messages, fixed=True),
    "prompt 1": Form(packed),
    "indented JSON": Form(plain),
}
