"""A sentence while the rules check it, and what several rules look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from secondlook.tasks.insights.fact import Fact
from secondlook.tasks.insights.parsing import (
    Item,
    Part,
    Slot,
    Term,
    Token,
    is_verb,
)
from secondlook.tasks.insights.vocabulary import Role

Json = dict[str, object]


@dataclass
class Sentence:
    """A sentence while the rules check it.

    Attributes:
        text: As it came.
        cites: The ids that it cites, as they came.
        given: The facts that were sent, by their ids.
        tokens: What it is made of, once a rule has read it.
        parts: Its parts, once a rule has found them.
        runs: The parts that are about one fact, with the aspects of facts that all of them hold of.
    """

    text: str
    cites: tuple[str, ...]
    given: Mapping[str, Fact]
    scanned: list[Token | str] = field(default_factory=list[Token | str])
    tokens: list[Token] = field(default_factory=list[Token])
    parts: list[Part] = field(default_factory=list[Part])
    runs: list[tuple[list[Part], frozenset[str]]] = field(
        default_factory=list[tuple[list[Part], frozenset[str]]]
    )

    @property
    def slots(self) -> list[Slot]:
        """Its placeholders."""
        return [token for token in self.scanned if isinstance(token, Slot)]


def aspects_of(fact: Fact) -> tuple[str, ...]:
    """What a fact's values are about: most facts are about one thing."""
    if fact.id == "since_previous":
        return tuple(f"{fact.id}.{aspect}" for aspect in ("estimates", "price", "latency"))
    return tuple(f"{fact.id}.{name}" for name in fact.values) if fact.id == "coverage" else (fact.id,)


def aspect_of(slot: Slot) -> str:
    """Which of its fact's aspects a value is of."""
    if slot.fact == "since_previous":
        return f"{slot.fact}.{slot.name.partition('_')[0]}"
    return f"{slot.fact}.{slot.name}" if slot.fact == "coverage" else slot.fact


WHOLES = {("sample", "estimates"), ("volume", "estimates"), ("volume", "weeks")}

_KINDS: Mapping[str, str] = {
    "estimates": "estimates",
    "count": "estimates",
    "recent": "estimates",
    "before": "estimates",
    "change": "estimates",
    "average": "estimates",
    "weeks": "weeks",
    "share": "share",
    "low": "share",
    "high": "share",
    "price_from": "share",
    "price_to": "share",
    "latency_from": "share",
    "latency_to": "share",
    "price_points": "points",
    "latency_points": "points",
    "band": "band",
    "price_band": "band",
    "latency_band": "band",
    "week": "week",
    "confidence": "confidence",
}

_ODD_KINDS: Mapping[tuple[str, str], str] = {
    ("quiet_weeks", "count"): "weeks",
    ("busiest_week", "ties"): "weeks",
    ("price_leader", "ties"): "bands",
    ("decision_leader", "ties"): "bands",
}


def kind_of(slot: Slot) -> str:
    """What a placeholder's value counts or names."""
    return _ODD_KINDS.get((slot.fact, slot.name)) or _KINDS.get(slot.name, "estimates")


ESTIMATES = {"estimate", "estimates", "ones"}

BANDS = {
    "band", "bands", "range", "bracket", "price band", "price bands", "price range", "latency band",
    "latency bands", "decision band", "decision bands",
}  # fmt: skip

DECISIONS = {"decision", "decisions", "waits", "long waits"}


def word_before(items: Sequence[Token], place: int) -> Term | None:
    """The word before a placeholder, without articles."""
    place -= 1
    while place >= 0:
        item = items[place]
        if not isinstance(item, Term):
            return None
        if not item.only("determiner"):
            return item
        place -= 1
    return None


def noun_after(items: Sequence[Token], place: int) -> tuple[str | None, int]:
    """The noun that a placeholder counts, or None where none follows; and where it stands."""
    place += 1
    while place < len(items):
        item = items[place]
        if not isinstance(item, Term) or is_verb(cast("Sequence[Item]", items), place):
            return None, place
        if item.has("noun") or item.text == "ones":
            return item.text, place
        if not item.only("adjective"):
            return None, place
        place += 1
    return None, place


MOVES = {"up", "down", "moves"}

RECENT, EARLIER = "the last 4 weeks", "the 4 weeks before"
"""The groups of words for the two times of recent_volume."""

HIGHEST = "the highest count of a week"


def claims_any(item: Token | None, claims: set[str], *roles: Role) -> bool:
    """Whether a word claims one of these, as one of these parts of speech."""
    return isinstance(item, Term) and any(
        sense.claim in claims and (not roles or sense.role in roles) for sense in item.senses
    )


def in_group(items: Sequence[Token], group: str) -> bool:
    """Whether a word of a group is among them."""
    return any(sense.group == group for item in items if isinstance(item, Term) for sense in item.senses)


def texts_of(items: Sequence[Token]) -> set[str]:
    """Their words and phrases."""
    return {item.text for item in items if isinstance(item, Term)}


BE = {"is", "are", "was", "were", "be", "been"}


def subject_before(tokens: Sequence[Token], place: int) -> str | None:
    """The noun before a verb, behind which only adverbs and forms of "be" stand."""
    for item in reversed(tokens[:place]):
        if not isinstance(item, Term):
            return None
        if item.has("noun"):
            return item.text
        if not (item.only("adverb") or item.text in BE):
            return None
    return None


CONTRASTS = {
    "against",
    "versus",
    "compared with",
    "compared to",
    "than",
    "from",
    "after",
    "up from",
    "down from",
    "over",
}

CUTS = CONTRASTS | {"to", "and", "while", "whereas", "but", "although", "though", "then", "or", "with"}
