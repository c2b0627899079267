"""Instructions, their version, and AgentInput → messages.

The input is laid out as the answer itself: a right answer is a copy of it. Weak models get that right where
they get a more compact layout wrong (docs/models.md). Tokens are estimates by the formulas measured in
bench/tokens.py.
"""

from __future__ import annotations

import json
import math
from typing import Any

from secondlook.domain.buckets import AgentInput
from secondlook.domain.questions import Message, Question
from secondlook.domain.usage import Usage
from secondlook.tasks.snapshot.schema import PENDING, SNAPSHOT_RESULT, answer_schema

PROMPT_VERSION = "2"
"""Changes with every change of the instructions or the layout; stored with each run."""

INSTRUCTIONS = "Copy the JSON below, character for character."


def messages(agent_input: AgentInput) -> list[dict[str, str]]:
    """The two messages of a request; equal inputs give byte-identical messages.

    What never changes comes first, so that providers cache it.
    """
    return [
        {"role": "system", "content": INSTRUCTIONS},
        {"role": "user", "content": lay_out(agent_input)},
    ]


def lay_out(agent_input: AgentInput) -> str:
    """The right answer as compact JSON."""
    return json.dumps(right_answer(agent_input), separators=(",", ":"))


def right_answer(agent_input: AgentInput) -> dict[str, Any]:
    """The input in the shape and key order of SnapshotResult, its identity pending."""
    echo = agent_input.model_dump(mode="json")
    return {
        "meta": {
            "snapshot_id": PENDING,
            "source_id": PENDING,
            "generated_at": PENDING,
            "estimate_count": echo["estimate_count"],
            "confidence_level": echo["confidence_level"],
        },
        "demand": echo["demand"],
        "decision_latency": echo["decision_latency"],
    }


def estimate_prompt_tokens(weeks: int) -> int:
    """About how many tokens a request takes, schema and the messages' frames included, for so many weeks."""
    return 532 + 11 * weeks


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
    return question(agent_input).usage


def question(agent_input: AgentInput) -> Question:
    """What the agent is asked, whoever answers."""
    weeks = len(agent_input.demand.weekly_volume)
    return Question(
        messages=tuple(Message.model_validate(message) for message in messages(agent_input)),
        schema_name="SnapshotResult",
        answer_schema=SNAPSHOT_RESULT,
        fixed_schema=answer_schema(weeks),
        prompt_tokens=estimate_prompt_tokens(weeks),
        answer_tokens=estimate_answer_tokens(weeks),
    )
