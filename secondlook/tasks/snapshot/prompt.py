"""Instructions, their version, and AgentInput → messages.

Weeks are grouped by year (`2026-W 01:15 02:18`): the year and the `-W` are then paid for once, which
takes a third off the prompt. Tokens are estimates by the formulas measured in bench/tokens.py.
"""

from __future__ import annotations

import math
from itertools import groupby

from secondlook.domain.buckets import AgentInput, BandCount
from secondlook.domain.questions import Message, Question
from secondlook.domain.usage import Usage
from secondlook.tasks.snapshot.schema import SNAPSHOT_RESULT

PROMPT_VERSION = "1"
"""Changes with every change of the instructions or the layout; stored with each run."""

INSTRUCTIONS = (
    "Copy everything, unchanged and in order, as one line of JSON; weeks as 2026-W01; "
    'ids and generated_at as "pending".'
)


def messages(agent_input: AgentInput) -> list[dict[str, str]]:
    """The two messages of a request; equal inputs give byte-identical messages."""
    return [
        {"role": "system", "content": INSTRUCTIONS},
        {"role": "user", "content": lay_out(agent_input)},
    ]


def lay_out(agent_input: AgentInput) -> str:
    """The input in lines, under the names of the answer's schema; a line of weeks a year."""
    weeks = agent_input.demand.weekly_volume
    years = [
        f"{year}-W " + " ".join(f"{week.week[-2:]}:{week.count}" for week in of_year)
        for year, of_year in groupby(weeks, key=lambda week: week.week[:4])
    ]
    return "\n".join(
        [
            "weekly_volume",
            *years,
            "price_distribution",
            *_bands(agent_input.demand.price_distribution),
            "decision_latency",
            *_bands(agent_input.decision_latency.distribution),
            f"estimate_count:{agent_input.estimate_count}",
            f"confidence_level:{agent_input.confidence_level}",
        ]
    )


def _bands(bands: tuple[BandCount, ...]) -> list[str]:
    return [f"{band.band}:{band.count}" for band in bands]


def estimate_prompt_tokens(weeks: int, years: int) -> int:
    """About how many tokens a request takes, schema included, for so many weeks in so many years."""
    return 343 + 5 * years + 4 * weeks


def estimate_answer_tokens(weeks: int) -> int:
    """About how many tokens the answer takes as compact JSON."""
    return 134 + 11 * weeks


def reserve_answer_tokens(agent_input: AgentInput) -> int:
    """Tokens to keep free for the answer: 5 % above the estimate, since models choose their white space.

    A count takes a token for each three digits; the estimate has one for each count.
    """
    demand = agent_input.demand
    entries = demand.weekly_volume + demand.price_distribution + agent_input.decision_latency.distribution
    more_digits = sum((len(str(entry.count)) - 1) // 3 for entry in entries)
    return math.ceil(1.05 * (estimate_answer_tokens(len(demand.weekly_volume)) + more_digits))


def estimate_usage(agent_input: AgentInput) -> Usage:
    """About what a run will use, before anything is sent."""
    weeks = agent_input.demand.weekly_volume
    prompt_tokens = estimate_prompt_tokens(len(weeks), len({week.week[:4] for week in weeks}))
    completion_tokens = estimate_answer_tokens(len(weeks))
    return Usage(
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        total_tokens=prompt_tokens + completion_tokens,
        cached_tokens=0,
        estimated=True,
    )


def question(agent_input: AgentInput) -> Question:
    """What the agent is asked, whoever answers."""
    usage = estimate_usage(agent_input)
    return Question(
        messages=tuple(Message.model_validate(message) for message in messages(agent_input)),
        schema_name="SnapshotResult",
        answer_schema=SNAPSHOT_RESULT,
        fixed_schema=SNAPSHOT_RESULT,
        prompt_tokens=usage.prompt_tokens or 0,
        answer_tokens=usage.completion_tokens or 0,
    )
