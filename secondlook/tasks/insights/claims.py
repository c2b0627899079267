"""What a sentence says holds: each part of it is about one cited fact, and true of it."""

from __future__ import annotations

from collections.abc import Sequence

from secondlook.tasks.insights.fact import Fact
from secondlook.tasks.insights.parsing import (
    Part,
    Slot,
    Term,
    is_verb,
    parts_of,
)
from secondlook.tasks.insights.predicates import PREDICATES
from secondlook.tasks.insights.reading import WHOLES, Sentence, aspect_of, aspects_of, word_before


def is_about_facts(sentence: Sentence) -> bool:
    """Each part holds of a cited fact, and goes on with the fact of the part before or has a subject."""
    sentence.parts = parts_of(sentence.tokens)
    cited = [aspect for each in sentence.cites for aspect in aspects_of(sentence.given[each])]
    for part in sentence.parts:
        held = frozenset(aspect for aspect in cited if _holds(part, aspect, sentence))
        if not held:
            return False
        shared = held & sentence.runs[-1][1] if sentence.runs else None
        if shared:
            sentence.runs[-1] = ([*sentence.runs[-1][0], part], shared)
        elif shared is None or (
            part.opened not in {"when", "where"} and _has_subject(part) and _says_of_what(part, sentence)
        ):
            sentence.runs.append(([part], held))
        else:
            return False
    return len(sentence.runs) == 1 or all(any(part.has_verb for part in run) for run, _ in sentence.runs)


def _holds(part: Part, aspect: str, sentence: Sentence) -> bool:
    fact = sentence.given[aspect.partition(".")[0]]
    whole = _whole_of(part)
    others = [slot for slot in part.slots if aspect_of(slot) != aspect]
    if any(slot not in whole or not _is_whole(slot, fact, sentence) for slot in others):
        return False
    # What is said of the whole ("of these 34 estimates") is said of no fact.
    nouns = [part.items[part.items.index(slot) + 1 :][:1] for slot in others]
    terms = [term for term in part.terms if [term] not in nouns or not term.has("noun")]
    if others and not part.has_verb and len(part.slots) == 1:
        return all(any(sense.group == "any fact" for sense in term.senses) for term in terms)
    return all(_means(term, aspect, fact, part, sentence) for term in terms)


def _means(term: Term, aspect: str, fact: Fact, part: Part, sentence: Sentence) -> bool:
    about = {aspect, fact.id}
    if term.text in _WHOLE_PERIOD and fact.id in {"recent_volume", "busiest_week", "since_previous"}:
        return False
    return any(
        (sense.facts is None or sense.facts & about)
        and (sense.claim is None or PREDICATES[sense.claim](fact, part, term))
        for sense in term.senses
    ) and not (term.text.endswith(_ALL) and _lacks(fact, sentence))


_WHOLE_PERIOD = {
    "overall", "in all", "in total", "together", "this period", "period", "periods", "total", "totals",
    "time", "of the total",
}  # fmt: skip
"""Words for all weeks, which a fact about a few of them does not have."""

_ALL = ("of all", "in all", "in total", "of the total")

_DISTRIBUTIONS = {"price": "price_distribution", "decision": "decision_latency", "busiest": "weekly_volume"}


def _lacks(fact: Fact, sentence: Sentence) -> bool:
    """Whether a fact's distribution leaves out some of the estimates."""
    coverage = sentence.given.get("coverage")
    name = _DISTRIBUTIONS.get(fact.id.partition("_")[0])
    return coverage is not None and name is not None and bool(coverage.values.get(name))


_WHOLE_WORDS = {"of", "across", "over", "among", "out of"}


def _whole_of(part: Part) -> list[Slot]:
    """The placeholders of a part that say of how many, behind "of" or "across"."""
    found: list[Slot] = []
    for place, item in enumerate(part.items):
        if isinstance(item, Slot) and (item.fact, item.name) in WHOLES:
            before = word_before(part.items, place)
            behind = part.items[: part.items.index(before)] if before is not None else []
            if before is None or before.text not in _WHOLE_WORDS:
                continue
            of_a_noun = before.text == "of" and behind and isinstance(behind[-1], Term)  # "a count of 34"
            if not of_a_noun:
                found.append(item)
    return found


def _is_whole(slot: Slot, fact: Fact, sentence: Sentence) -> bool:
    """Whether a fact's share is of so many."""
    if slot.name == "weeks":
        return fact.id in {"busiest_week", "quiet_weeks", "sample"}
    if fact.id in {"sample", "volume"}:
        return sentence.given[slot.fact].values[slot.name] == fact.values.get("estimates")
    number, count, share = (
        sentence.given[slot.fact].values[slot.name],
        fact.values.get("count"),
        fact.values.get("share"),
    )
    return (
        isinstance(number, int)
        and isinstance(count, int)
        and isinstance(share, float)
        and number > 0
        and abs(count / number - share) < 1e-9
    )


def _says_of_what(part: Part, sentence: Sentence) -> bool:
    """Whether a share that begins a part is of all estimates, not of those that the part before is about."""
    first, after = part.items[0], part.items[1] if len(part.items) > 1 else None
    if not isinstance(first, Slot) or first.name not in {"share", "count"}:
        return True
    of = isinstance(after, Term) and (after.text in {"of", "of all"} or after.has("noun"))
    begun = sentence.runs[-1][0][0].items[0]
    return of or (isinstance(begun, Slot) and begun.name in {"share", "count"})


def _has_subject(part: Part) -> bool:
    """Whether a part can stand alone: it neither continues nor points at what another part is about."""
    if any(isinstance(item, Term) and item.has("pronoun") for item in part.items):
        return False
    if any(isinstance(item, Term) and item.text in {"these", "those"} for item in part.items):
        return False
    if any(isinstance(item, Term) and item.text in {"here", "there"} for item in part.items):
        return False
    first = next(
        (place for place, item in enumerate(part.items) if isinstance(item, Slot) or not item.only("adverb")),
        None,
    )
    if first is None:
        return False
    item = part.items[first]
    return isinstance(item, Slot) or not (is_verb(part.items, first) or item.only("link"))


_QUALIFIES = {"leads", "majority", "half", "nearly_half", "tied", "minority"}


def is_qualified(sentence: Sentence) -> bool:
    """A band comes with its share or count, or is said to be the leading or the middle one."""
    for run, _ in sentence.runs:
        for linked in _linked(run):
            slots = {slot for part in linked for slot in part.slots}
            for slot in slots:
                if slot.name == "band" and not (
                    {Slot(slot.fact, "share"), Slot(slot.fact, "count")} & slots or _qualified(linked)
                ):
                    return False
    return True


def _linked(run: Sequence[Part]) -> list[list[Part]]:
    """The parts of a run that are one clause: a conjunction begins another."""
    clauses: list[list[Part]] = []
    for part in run:
        if not clauses or part.opened in _CONJUNCTIONS:
            clauses.append([])
        clauses[-1].append(part)
    return clauses


_CONJUNCTIONS = {"and", "while", "whereas", "but", "although", "though", "then", ";"}


def _qualified(run: Sequence[Part]) -> bool:
    senses = [sense for part in run for term in part.terms for sense in term.senses]
    return any(sense.claim in _QUALIFIES or sense.group == "the middle estimate" for sense in senses)
