"""Sentences that a model could write, from the prompt alone: for the offline agent."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from secondlook.domain.usage import Usage
from secondlook.tasks.insights.prompt import ANSWER_TOKENS, InsightsInput, estimate_prompt_tokens
from secondlook.tasks.insights.schema import FEWEST, MOST

Json = dict[str, Any]


def answer_offline(prompt: str) -> tuple[Json, Usage]:
    """A headline and insights about the facts of a prompt, and about what they take.

    Raises:
        ValueError: The prompt is of another version.
    """
    facts: list[Json] = json.loads(prompt)["facts"]
    said = [{"text": text, "facts": [fact["id"]]} for fact in facts for text in _sentences(fact)]
    strongest = sorted(said, key=lambda each: not _is_clear(each["facts"][0], facts))
    number = max(FEWEST, min(MOST, len(strongest) - 1))
    given = InsightsInput.model_validate_json(
        json.dumps({"facts": [{"direction": None, "clear": False, **fact} for fact in facts]})
    )
    prompt_tokens = estimate_prompt_tokens(given)
    return {"headline": strongest[0], "insights": strongest[1 : 1 + number]}, Usage(
        prompt_tokens=prompt_tokens,
        completion_tokens=ANSWER_TOKENS,
        total_tokens=prompt_tokens + ANSWER_TOKENS,
        cached_tokens=0,
        estimated=True,
    )


def _is_clear(identifier: str, facts: list[Json]) -> bool:
    return any(fact.get("clear", False) for fact in facts if fact["id"] == identifier)


def _recent(fact: Json) -> Iterator[str]:
    direction = fact.get("direction") if fact.get("clear") else None
    verb = {"up": "rose", "down": "declined"}.get(direction or "")
    if verb is not None:
        yield (
            f"Volume {verb} from {{recent_volume.before}} to {{recent_volume.recent}} estimates "
            "in recent weeks."
        )
    else:
        yield (
            "Recent weeks brought {recent_volume.recent} estimates, compared with "
            "{recent_volume.before} in the weeks before."
        )


def _leader(name: str, one: str, several: str) -> Callable[[Json], Iterator[str]]:
    def say(fact: Json) -> Iterator[str]:
        yield (one if fact["values"]["ties"] == 1 else several).replace("LEADER", name)

    return say


def _always(*texts: str) -> Callable[[Json], Iterator[str]]:
    return lambda _: iter(texts)


_SAY: Mapping[str, Callable[[Json], Iterator[str]]] = {
    "recent_volume": _recent,
    "price_leader": _leader(
        "price_leader",
        "{LEADER.share} of the estimates fall in the leading price band, {LEADER.band}.",
        "{LEADER.ties} price bands tie with {LEADER.count} estimates each.",
    ),
    "decision_leader": _leader(
        "decision_leader",
        "The most common decision time is {LEADER.band}, at {LEADER.share} of estimates.",
        "{LEADER.ties} decision bands tie with {LEADER.count} estimates each.",
    ),
    "busiest_week": _leader(
        "busiest_week",
        "The busiest week was {LEADER.week}, with {LEADER.count} estimates.",
        "{LEADER.ties} weeks tie for the highest count, with {LEADER.count} estimates each.",
    ),
    "decision_fast": _always("{decision_fast.share} of the estimates were decided within a week."),
    "price_high": _always("The upper price bands hold {price_high.share} of the estimates."),
    "price_median": _always("The median estimate falls in the {price_median.band} price band."),
    "decision_median": _always("The median decision takes {decision_median.band}."),
    "volume": _always("Over {volume.weeks} weeks, volume averaged {volume.average} estimates per week."),
    "sample": _always("Confidence is {sample.confidence}, based on {sample.estimates} estimates."),
}


def _sentences(fact: Json) -> Iterator[str]:
    say = _SAY.get(fact["id"])
    if say is not None:
        yield from say(fact)


ANSWERERS: Mapping[str, Callable[[str], tuple[Json, Usage]]] = {"Insights": answer_offline}
"""By the name of the schema that is asked for."""
