"""Rules for an answer's sentences: each is accepted or refused by itself, and nothing is repaired.

docs/insights.md says what they are for. The words and what they claim stand in vocabulary.json.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

from secondlook.domain.answers import Completion
from secondlook.tasks.checklist import ANY_ANSWER, Reading, Rule, accept, reject
from secondlook.tasks.insights.adjectives import modifies_its_noun
from secondlook.tasks.insights.claims import is_about_facts, is_qualified
from secondlook.tasks.insights.companions import has_companions, names_its_fact
from secondlook.tasks.insights.fact import Fact
from secondlook.tasks.insights.meanings import means_one_thing
from secondlook.tasks.insights.parsing import (
    Mark,
    Term,
    find_terms,
    scan,
)
from secondlook.tasks.insights.reading import Json, Sentence
from secondlook.tasks.insights.schema import FEWEST, MOST
from secondlook.tasks.insights.times import keeps_times_apart
from secondlook.tasks.insights.values import has_units, is_said_of_the_right_noun

SHORTEST, LONGEST = 20, 240
"""Characters of a sentence before its placeholders are filled."""

MOST_FACTS = 3
"""Facts that a sentence may cite."""


@dataclass(frozen=True)
class SentenceRule:
    """One rule for a sentence: its name, what holds where it passes, and what checks it."""

    name: str
    words: str
    holds: Callable[[Sentence], bool]


def refused_by(text: str, cites: Sequence[str], given: Mapping[str, Fact]) -> str | None:
    """The name of the first rule that refuses a sentence; None where it is accepted."""
    sentence = Sentence(text, tuple(cites), given)
    return next((rule.name for rule in SENTENCE_RULES if not rule.holds(sentence)), None)


def _has_length(sentence: Sentence) -> bool:
    return SHORTEST <= len(sentence.text) <= LONGEST and "\n" not in sentence.text


def _is_plain(sentence: Sentence) -> bool:
    """Letters of English, spaces and marks where they belong, and a capital at the beginning alone."""
    text = sentence.text
    scanned = scan(text)
    if scanned is None or not scanned:
        return False
    sentence.scanned = scanned
    outside = "".join(token if isinstance(token, str) else " " for token in scanned)
    spaced = not any(sign == "(" and text[place - 1] != " " for place, sign in enumerate(text) if place)
    spaced = (
        spaced
        and "  " not in text
        and text == text.strip()
        and not any(f" {mark}" in text for mark in ",;:.)")
    )
    marks = [token.text for token in scanned if isinstance(token, Mark)]
    ended = "." not in marks[:-1] and ("." not in marks or text.endswith("."))
    closed = "".join(mark for mark in marks if mark in "()") in {"", "()"}
    apart = all(
        not (isinstance(one, Mark) and isinstance(other, Mark))
        or (one.text, other.text) in {(")", ","), (")", "."), (")", ";")}
        for one, other in pairwise(scanned)
    )
    following = all(
        text[place + 1 : place + 2] in {"", " "} for place, sign in enumerate(text) if sign in ",;:"
    )
    return spaced and ended and closed and apart and following and outside[1:] == outside[1:].lower()


def _cites_facts(sentence: Sentence) -> bool:
    cites = sentence.cites
    return (
        1 <= len(cites) <= MOST_FACTS
        and len(set(cites)) == len(cites)
        and all(each in sentence.given for each in cites)
    )


def _has_values(sentence: Sentence) -> bool:
    slots = sentence.slots
    return 0 < len(slots) == len(set(slots)) and all(
        slot.fact in sentence.cites and sentence.given[slot.fact].values.get(slot.name) is not None
        for slot in slots
    )


def _is_known(sentence: Sentence) -> bool:
    sentence.tokens = find_terms(sentence.scanned)
    return all(token.senses for token in sentence.tokens if isinstance(token, Term))


SENTENCE_RULES: tuple[SentenceRule, ...] = (
    SentenceRule("length", f"One line of {SHORTEST} to {LONGEST} characters", _has_length),
    SentenceRule("characters", "English letters and plain punctuation", _is_plain),
    SentenceRule("facts", f"It cites 1 to {MOST_FACTS} of the facts, none twice", _cites_facts),
    SentenceRule(
        "placeholders", "It has placeholders, none twice, and each is a value of a cited fact", _has_values
    ),
    SentenceRule("vocabulary", "Every word is in the vocabulary", _is_known),
    SentenceRule("claims", "Every part of it holds of one cited fact", is_about_facts),
    SentenceRule("units", "Every value stands with its unit, and where it belongs", has_units),
    SentenceRule("companions", "Every value stands with the words that it needs", has_companions),
    SentenceRule(
        "subject",
        "Numbers and bands stand with the verbs and nouns that fit them",
        is_said_of_the_right_noun,
    ),
    SentenceRule(
        "attributes", "Adjectives and quantities stand with the nouns they are true of", modifies_its_noun
    ),
    SentenceRule("anchor", "The words say which estimates or weeks a value is about", names_its_fact),
    SentenceRule("times", "Recent weeks and those before are not mixed up", keeps_times_apart),
    SentenceRule("unqualified", "A band comes with its share, or as the leading or middle one", is_qualified),
    SentenceRule("meaning", "Its words, put together, have no second meaning", means_one_thing),
)
"""The rules for a sentence, in the order in which the first that does not hold refuses it."""

RULE_WORDS: Mapping[str, str] = {rule.name: rule.words for rule in SENTENCE_RULES}
"""What holds where a rule passes, by its name."""


@dataclass
class InsightsReading(Reading):
    """An answer while the rules check it."""


def _has_shape(reading: InsightsReading) -> None:
    answer = _object(reading.answer, ("headline", "insights"), "$")
    _claim(answer["headline"], "headline")
    insights = answer["insights"]
    if not isinstance(insights, list):
        reject("schema", "must be a list", "insights")
    for number, each in enumerate(cast("list[object]", insights)):
        _claim(each, f"insights[{number}]")


def _object(value: object, keys: tuple[str, ...], path: str) -> Json:
    if not isinstance(value, dict):
        reject("schema", "must be an object", path)
    if set(cast("Json", value)) != set(keys):
        reject("schema", "must have exactly its keys", path)
    return cast("Json", value)


def _claim(value: object, path: str) -> None:
    found = _object(value, ("text", "facts"), path)
    if not isinstance(found["text"], str):
        reject("schema", "must be a string", f"{path}.text")
    facts = found["facts"]
    if not isinstance(facts, list) or not all(isinstance(each, str) for each in cast("list[object]", facts)):
        reject("schema", "must be a list of strings", f"{path}.facts")


def _has_enough(reading: InsightsReading) -> None:
    number = len(cast("list[object]", cast("Json", reading.answer)["insights"]))
    if not FEWEST <= number <= MOST:
        reject("insights", f"must be {FEWEST} to {MOST} insights", "insights")


RULES: tuple[Rule[InsightsReading], ...] = (
    *ANY_ANSWER,
    Rule("keys", "A headline and insights, each with a text and the facts that it cites", _has_shape),
    Rule("insights", f"{FEWEST} to {MOST} insights", _has_enough),
)
"""The rules for an answer as a whole; its sentences have rules of their own."""


@dataclass(frozen=True)
class Said:
    """A sentence of an answer and its result.

    Attributes:
        position: 0 is the headline, 1 the first insight, and so on.
        text: As it came.
        facts: The ids that it cites.
        rule: The name of the rule that refuses it; None where it is accepted.
    """

    position: int
    text: str
    facts: tuple[str, ...]
    rule: str | None


def check_answer(completion: Completion, given: Mapping[str, Fact]) -> tuple[Said, ...]:
    """Each sentence of an answer whose form is right, with the rule that refuses it.

    Raises:
        AnswerRejected: The answer as a whole breaks a rule.
    """
    return tuple(sentences_of(accept(RULES, InsightsReading(completion)), given))


def sentences_of(answer: object, given: Mapping[str, Fact]) -> Iterator[Said]:
    """Each sentence of an answer with the rule that refuses it.

    Args:
        answer: An answer that the rules for the whole accept.
        given: The facts that were sent, by their ids.
    """
    found = cast("Json", answer)
    for position, each in enumerate([found["headline"], *cast("list[object]", found["insights"])]):
        claim = cast("Json", each)
        text, facts = cast("str", claim["text"]), tuple(cast("list[str]", claim["facts"]))
        yield Said(position, text, facts, refused_by(text, facts, given))
