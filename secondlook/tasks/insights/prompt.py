"""Instructions, their version, and facts → messages.

The instructions with the vocabulary come first and never change, so that providers cache them. The facts
follow as compact JSON: ids, values, directions, and whether they are more than chance. Tokens are estimates
by the formulas measured in bench/insights.py.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from secondlook.domain.base import Frozen
from secondlook.domain.questions import Message, Question
from secondlook.tasks.insights.fact import Direction, Fact, Value
from secondlook.tasks.insights.schema import INSIGHTS, MOST
from secondlook.tasks.insights.vocabulary import GROUPS, Group

PROMPT_VERSION = "i1"
"""Changes with every change of instructions, vocabulary, layout or rules; stored with each run."""

_CLAIMS: Mapping[str, str] = {
    "majority": "share over 0.5",
    "half": "share 0.45 to 0.55",
    "nearly_half": "share 0.45 to 0.5",
    "minority": "share under 0.5",
    "small_share": "share up to 0.25",
    "measured": "beside its share or count, or share over 0.5",
    "average": "with volume.average",
    "leads": "ties is 1",
    "tied": "ties over 1",
    "clear": "clear",
    "up": "direction up and clear",
    "down": "direction down and clear",
    "beats": "with: than in any other",
    "few_weeks": "count at most a quarter of weeks",
    "moves": "has a direction and is clear",
    "steady": "recent and before nearly equal, and many",
    "interval": "with low and high",
    "low_confidence": "confidence low",
}
"""What each claim of the vocabulary means, as the agent is told."""


class GivenFact(Frozen):
    """A fact as the agent sees it: without its cells and our own sentence."""

    id: str
    values: Mapping[str, Value]
    direction: Direction | None
    clear: bool

    def as_fact(self) -> Fact:
        """The fact for the rules and the wording, which read no more of it."""
        return Fact(self.id, self.values, self.direction, self.clear, p=None, cells=(), sentence="")


class InsightsInput(Frozen):
    """The input of the task: the facts that may be spoken of, in their order."""

    facts: tuple[GivenFact, ...]

    def by_id(self) -> Mapping[str, Fact]:
        """The facts by their ids."""
        return {each.id: each.as_fact() for each in self.facts}


def build_input(facts: Sequence[Fact]) -> InsightsInput:
    """The facts as the agent sees them."""
    return InsightsInput(
        facts=tuple(
            GivenFact(id=each.id, values=dict(each.values), direction=each.direction, clear=each.clear)
            for each in facts
        )
    )


# -- layout ---------------------------------------------------------------------------------------------


_FAMILIES: Mapping[str, tuple[str, ...]] = {
    "price_*": ("price_leader", "price_median", "price_high"),
    "decision_*": ("decision_leader", "decision_median", "decision_fast", "decision_slow"),
    "*_leader": ("price_leader", "decision_leader"),
    "*_median": ("price_median", "decision_median"),
}
"""Facts with a short name for several of them."""


def _listed(group: Group) -> str:
    """A group as the agent reads it: its words, then its phrases behind a bar."""
    entries = dict.fromkeys(entry[0] for entry in group.entries)
    words = [entry for entry in entries if " " not in entry]
    # A phrase of words that are listed anyway says nothing new.
    phrases = [entry for entry in entries if " " in entry and not set(entry.split()) & set(words)]
    listed = " ".join(words) + (" | " + ", ".join(phrases) if phrases else "")
    told = [_named(group.facts), _CLAIMS[group.claim] if group.claim else ""]
    condition = "; ".join(each for each in told if each)
    return f"[{condition}] {listed}" if condition else listed


def _named(facts: Sequence[str]) -> str:
    rest = list(dict.fromkeys(each.partition(".")[0] for each in facts))
    named: list[str] = []
    for name, family in _FAMILIES.items():
        if set(family) <= set(rest):
            named.append(name)
            rest = [each for each in rest if each not in family]
    return " ".join([*named, *rest])


VOCABULARY = "\n".join(map(_listed, GROUPS))

INSTRUCTIONS = f"""\
Say what stands out in these facts about estimates: a headline and 3 to {MOST} insights, each one English \
sentence of 20 to 240 characters that cites the 1 to 3 fact ids it is about.
Write no number. A placeholder {{id.value}} becomes "56 %", "12", "$500 to $1,500", "3 to 7 days", "the week \
of March 30". Each clause is about one fact: "{{price_leader.share}} of estimates fall in the \
{{price_leader.band}} price band". Give a band its share or count, or call it leading or median. Write "from \
{{x.before}} to {{x.recent}}", "between {{x.low}} and {{x.high}}". No capitals inside, negations, causes, \
advice, forecasts.
Use only these words, inflected, and phrases (behind |). Behind [facts; condition]: for those facts, if it \
holds. Clear is: more than chance.
{VOCABULARY}"""
"""The same for every call."""


def lay_out(given: InsightsInput) -> str:
    """The facts as compact JSON; equal facts give the same bytes."""
    return json.dumps({"facts": [_laid_out(each) for each in given.facts]}, separators=(",", ":"))


def _laid_out(fact: GivenFact) -> dict[str, Any]:
    return {
        "id": fact.id,
        "values": {name: _rounded(value) for name, value in fact.values.items()},
        **({} if fact.direction is None else {"direction": fact.direction}),
        **({"clear": True} if fact.clear else {}),
    }


def _rounded(value: Value) -> Value:
    """A share or an average with two decimals: the code puts the exact value in."""
    return round(value, 2) if isinstance(value, float) else value


_SCHEMA = json.dumps(INSIGHTS, separators=(",", ":"))

ANSWER_TOKENS = 240
"""About how many tokens an answer with four insights takes."""


def estimate_prompt_tokens(given: InsightsInput) -> int:
    """About how many tokens a request takes, with the schema and the messages' frames."""
    return math.ceil(len(INSTRUCTIONS) / 4.3 + len(lay_out(given)) / 2.9 + len(_SCHEMA) / 4 + 17)


def question(given: InsightsInput) -> Question:
    """What the agent is asked, whoever answers."""
    return Question(
        messages=(
            Message(role="system", content=INSTRUCTIONS),
            Message(role="user", content=lay_out(given)),
        ),
        schema_name="Insights",
        answer_schema=INSIGHTS,
        fixed_schema=INSIGHTS,
        prompt_tokens=estimate_prompt_tokens(given),
        answer_tokens=ANSWER_TOKENS,
    )
