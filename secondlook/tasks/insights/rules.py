"""Rules for an answer's sentences: each is accepted or refused by itself, and nothing is repaired.

docs/insights.md says what they are for. The words and what they claim stand in vocabulary.json.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from secondlook.domain.answers import Completion
from secondlook.tasks.checklist import ANY_ANSWER, Reading, Rule, accept, reject
from secondlook.tasks.insights.fact import Fact
from secondlook.tasks.insights.predicates import PREDICATES
from secondlook.tasks.insights.schema import FEWEST, MOST
from secondlook.tasks.insights.parsing import (
    Item,
    Mark,
    Part,
    Slot,
    Term,
    Token,
    find_terms,
    is_verb,
    parts_of,
    scan,
)
from secondlook.tasks.insights.vocabulary import Role

SHORTEST, LONGEST = 20, 240
"""Characters of a sentence before its placeholders are filled."""

MOST_FACTS = 3
"""Facts that a sentence may cite."""

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


# -- form -----------------------------------------------------------------------------------------------


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
        for one, other in zip(scanned, scanned[1:], strict=False)
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
    return bool(sentence.slots) and all(
        slot.fact in sentence.cites and sentence.given[slot.fact].values.get(slot.name) is not None
        for slot in sentence.slots
    )


def _is_known(sentence: Sentence) -> bool:
    sentence.tokens = find_terms(sentence.scanned)
    return all(token.senses for token in sentence.tokens if isinstance(token, Term))


# -- claims ---------------------------------------------------------------------------------------------


def _is_about_facts(sentence: Sentence) -> bool:
    """Each part holds of a cited fact, and goes on with the fact of the part before or has a subject."""
    sentence.parts = parts_of(sentence.tokens)
    cited = [aspect for each in sentence.cites for aspect in _aspects(sentence.given[each])]
    for part in sentence.parts:
        held = frozenset(aspect for aspect in cited if _holds(part, aspect, sentence))
        if not held:
            return False
        shared = held & sentence.runs[-1][1] if sentence.runs else None
        if shared:
            sentence.runs[-1] = ([*sentence.runs[-1][0], part], shared)
        elif shared is None or (part.opened not in {"when", "where"} and _has_subject(part)):
            sentence.runs.append(([part], held))
        else:
            return False
    return len(sentence.runs) == 1 or all(any(part.has_verb for part in run) for run, _ in sentence.runs)


def _aspects(fact: Fact) -> tuple[str, ...]:
    """What a fact's values are about: most facts are about one thing."""
    if fact.id == "since_previous":
        return tuple(f"{fact.id}.{aspect}" for aspect in ("estimates", "price", "latency"))
    return tuple(f"{fact.id}.{name}" for name in fact.values) if fact.id == "coverage" else (fact.id,)


def _aspect_of(slot: Slot) -> str:
    if slot.fact == "since_previous":
        return f"{slot.fact}.{slot.name.partition('_')[0]}"
    return f"{slot.fact}.{slot.name}" if slot.fact == "coverage" else slot.fact


def _holds(part: Part, aspect: str, sentence: Sentence) -> bool:
    fact = sentence.given[aspect.partition(".")[0]]
    whole = _whole_of(part, sentence)
    others = [slot for slot in part.slots if _aspect_of(slot) != aspect]
    if any(slot not in whole or not _is_whole(slot, fact, sentence) for slot in others):
        return False
    # What is said of the whole ("of these 34 estimates") is said of no fact.
    nouns = [part.items[part.items.index(slot) + 1 :][:1] for slot in others]
    terms = [term for term in part.terms if [term] not in nouns]
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
    "overall", "in all", "in total", "together", "this period", "period", "periods", "total", "totals", "time",
    "of the total",
}  # fmt: skip
"""Words for all weeks, which a fact about a few of them does not have."""

_ALL = ("of all", "in all", "in total", "of the total")
_DISTRIBUTIONS = {"price": "price_distribution", "decision": "decision_latency", "busiest": "weekly_volume"}


def _lacks(fact: Fact, sentence: Sentence) -> bool:
    """Whether a fact's distribution leaves out some of the estimates."""
    coverage = sentence.given.get("coverage")
    name = _DISTRIBUTIONS.get(fact.id.partition("_")[0])
    return coverage is not None and name is not None and bool(coverage.values.get(name))


_WHOLES = {("sample", "estimates"), ("volume", "estimates"), ("volume", "weeks")}


def _whole_of(part: Part, sentence: Sentence) -> list[Slot]:
    """The placeholders of a part that say of how many, behind "of" or "across"."""
    found: list[Slot] = []
    for place, item in enumerate(part.items):
        if isinstance(item, Slot) and (item.fact, item.name) in _WHOLES:
            before = _before(part.items, place)
            if before is not None and before.text in {"of", "across", "over", "among", "out of"}:
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


def _has_subject(part: Part) -> bool:
    """Whether a part can stand alone: it neither goes on with what another part is about, nor points at it."""
    if any(isinstance(item, Term) and item.has("pronoun") for item in part.items):
        return False
    if any(isinstance(item, Term) and item.text in {"these", "those"} for item in part.items):
        return False
    first = next(
        (place for place, item in enumerate(part.items) if isinstance(item, Slot) or not item.only("adverb")),
        None,
    )
    if first is None:
        return False
    item = part.items[first]
    return isinstance(item, Slot) or not (is_verb(part.items, first) or item.only("link"))


# -- units ----------------------------------------------------------------------------------------------

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


_ESTIMATES = {"estimate", "estimates", "ones"}
_BANDS = {
    "band", "bands", "range", "bracket", "price band", "price bands", "price range", "latency band", "latency bands",
    "decision band", "decision bands",
}  # fmt: skip
_NOUNS: Mapping[str, set[str]] = {
    "estimates": _ESTIMATES,
    "weeks": {"week", "weeks", "quiet week", "quiet weeks", "empty week", "empty weeks"},
    "bands": _BANDS | {"groups"},
    "share": set(),
    "points": set(),
    "band": _BANDS | {"share"},
    "week": set(),
    "confidence": {"confidence"},
}
_DECISIONS = {"decision", "decisions", "wait", "waits", "long waits"}
_WHOLE_NOUNS = _ESTIMATES | {"total", "sample", "them"}
_VOLUME_NOUNS = {"volume", "weekly volume", "estimate volume"}

_ONLY_BEFORE: Mapping[str, set[str]] = {
    "from": {"before", "price_from", "latency_from", "low"},
    "up from": {"before"},
    "down from": {"before"},
    "to": {"recent", "price_to", "latency_to", "high"},
    "than": {"before"},
    "against": {"before"},
    "versus": {"before"},
    "compared with": {"before"},
    "compared to": {"before"},
    "after": {"before", "price_from", "latency_from"},
    "over": {"before", "weeks"},
    "across": {"weeks", "estimates"},
    "during": {"weeks"},
    "into": {"band"},
    "between": {"low"},
    "by": {"change", "price_points", "latency_points", "estimates", "band"},
    "up by": {"change"},
    "down by": {"change"},
    "up": {"change"},
    "down": {"change"},
    "about": {"share", "average"},
    "around": {"share", "average"},
    "roughly": {"share", "average"},
    "among": {"estimates"},
    "out of": {"estimates", "weeks"},
}
"""Before which values alone a word may stand; a word that is not here may stand before any."""


def _before(items: Sequence[Token], place: int) -> Term | None:
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


def _noun_after(items: Sequence[Token], place: int) -> tuple[str | None, int]:
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


def _has_units(sentence: Sentence) -> bool:
    tokens = sentence.tokens
    return all(
        _fits(tokens, place, token, sentence) for place, token in enumerate(tokens) if isinstance(token, Slot)
    )


def _fits(tokens: Sequence[Token], place: int, slot: Slot, sentence: Sentence) -> bool:
    kind, before = kind_of(slot), _before(tokens, place)
    if slot.name == "peers":  # no word says what it is
        return False
    if before is not None and slot.name not in _ONLY_BEFORE.get(before.text, {slot.name}):
        return False
    directly = tokens[place - 1] if place else None
    if kind == "week" and isinstance(directly, Term) and directly.has("noun"):
        return False
    noun, at = _noun_after(tokens, place)
    allowed = _NOUNS[kind] | (
        _DECISIONS if kind == "estimates" and slot.fact.startswith("decision") else set()
    )
    if noun is not None and noun not in allowed:
        return False
    if noun is None and not _stands_alone(slot, kind, tokens, at, sentence):
        return False
    if slot.name == "low":
        return _is_interval(tokens, place)
    if slot.name == "high":
        return place >= 2 and tokens[place - 2] == Slot(slot.fact, "low")
    return True


def _stands_alone(slot: Slot, kind: str, tokens: Sequence[Token], at: int, sentence: Sentence) -> bool:
    """Whether a value without a noun behind it is clear all the same."""
    after = tokens[at] if at < len(tokens) else None
    if kind in {"band", "week", "confidence"}:
        return not (isinstance(after, Term) and after.text in {"of", "or", "to"})
    if isinstance(after, Term) and after.text in {"of", "of all"}:
        return kind in {"share", "estimates", "weeks", "bands"} and _is_of_whole(
            slot, kind, tokens, at, sentence
        )
    if kind == "weeks":
        return slot.fact == "quiet_weeks"
    if kind == "bands" or (slot.fact, slot.name) in _WHOLES:
        return False
    return not (isinstance(after, Term) and after.only("adjective"))


def _is_of_whole(slot: Slot, kind: str, tokens: Sequence[Token], at: int, sentence: Sentence) -> bool:
    """Whether "of" is followed by what the value is a part of, and not by a smaller part."""
    place = at + 1
    if (
        kind == "estimates"
        and place < len(tokens)
        and isinstance(next_ := tokens[place], Term)
        and next_.has("noun")
    ):
        return False  # "12 of estimates"
    while place < len(tokens) and isinstance(token := tokens[place], Term) and token.only("determiner"):
        place += 1
    if place < len(tokens) and isinstance(token := tokens[place], Slot):
        if kind == "weeks":
            return (token.fact, token.name) == ("quiet_weeks", "weeks")
        return (token.fact, token.name) in {("sample", "estimates"), ("volume", "estimates")}
    token = tokens[place] if place < len(tokens) else None
    if not isinstance(token, Term):  # "56 % of all"
        return cast("Term", tokens[at]).text == "of all" and kind == "share"
    if kind == "weeks":
        return token.text in {"week", "weeks", "them"} and slot.fact == "quiet_weeks"
    if kind == "bands":
        return token.text == "them"
    decisions = _DECISIONS if slot.fact.startswith("decision") else set[str]()
    volumes = _VOLUME_NOUNS if slot.fact == "busiest_week" else set[str]()
    return token.text in _WHOLE_NOUNS | decisions | volumes


def _is_interval(tokens: Sequence[Token], place: int) -> bool:
    """Whether the lower end is followed by the upper one."""
    opened, joined, high = (
        tokens[at] if 0 <= at < len(tokens) else None for at in (place - 1, place + 1, place + 2)
    )
    words = {"between": "and", "from": "to"}
    return (
        isinstance(opened, Term)
        and isinstance(joined, Term)
        and words.get(opened.text) == joined.text
        and high == Slot(cast("Slot", tokens[place]).fact, "high")
    )


# -- words that a value needs -----------------------------------------------------------------------------

_MOVES = {"up", "down", "moves"}
_SHARING = {"each", "share the lead", "share the top count", "share the highest count"}
_QUIET = "weeks without estimates"
_LACKING = "what a distribution lacks"
_HIGHEST = "the highest count of a week"
_WEEKLY = {
    "week", "weeks", "weekly", "per week", "a week", "each week", "average week", "weekly average", "weekly volume",
}  # fmt: skip


def _claims(item: Token | None, claims: set[str], *roles: Role) -> bool:
    """Whether a word claims one of these, as one of these parts of speech."""
    return isinstance(item, Term) and any(
        sense.claim in claims and (not roles or sense.role in roles) for sense in item.senses
    )


def _in_group(items: Sequence[Token], group: str) -> bool:
    return any(sense.group == group for item in items if isinstance(item, Term) for sense in item.senses)


def _texts(items: Sequence[Token]) -> set[str]:
    return {item.text for item in items if isinstance(item, Term)}


_BE = {"is", "are", "was", "were", "be", "been"}
_COUNTING = {
    "make", "makes", "made", "make up", "makes up", "made up", "account for", "accounts for", "accounted for",
    "represent", "represents", "represented", "hold", "holds", "held", "cover", "covers", "covered", "include",
    "includes", "included", "contain", "contains", "contained", "comprise", "comprises", "comprised", "have", "has",
    "had", "bring", "brings", "brought", "see", "sees", "saw", "show", "shows", "showed", "give", "gives", "gave",
    "form", "forms", "formed", "making up", "holding", "bringing", "covering", "representing", "including", "having",
    "reach", "reaches", "reached", "reaching", "total", "get", "gets", "got", "amount to", "amounts to", "amounted to",
    "lack", "lacks", "lacked", "lacking", "average", "averages", "averaged", "span", "spans", "spanned", "run at",
    "runs at", "ran at", "leave out", "leaves out", "left out", "tie", "ties", "tied", "there is", "there are",
    "there was", "there were", "accounting for", "find", "found",
}  # fmt: skip
"""Verbs with a number behind them."""

_PLACING = {
    "come",
    "comes",
    "came",
    "coming",
    "land",
    "lands",
    "landed",
    "sit",
    "sits",
    "sat",
    "priced",
    "lie",
    "lies",
}
_PLACING |= {f"{verb} in" for verb in ("come", "comes", "came", "coming", "fall", "falls", "fell", "falling")}
_NUMBERS = {
    "share",
    "percentage",
    "proportion",
    "portion",
    "number",
    "count",
    "total",
    "average",
    "weekly average",
}
_NUMBERS |= {
    "highest count",
    "top count",
    "largest count",
    "highest weekly volume",
    "highest weekly count",
    "total volume",
}
_NUMBERS |= {"volume", "weekly volume", "figure", "estimate count", "increase", "decrease", "change"}


def _is_said_of_the_right_noun(sentence: Sentence) -> bool:
    """A number is no band and a band no number: each has the verb and the noun that fit it."""
    return all(
        _agrees(part, place, item, before)
        for part, before in zip(sentence.parts, [None, *sentence.parts], strict=False)
        for place, item in enumerate(part.items)
        if isinstance(item, Slot)
    )


def _agrees(part: Part, place: int, slot: Slot, before: Part | None) -> bool:
    names = kind_of(slot) in {"band", "week", "confidence"}
    directly = part.items[place - 1] if place else None
    after = part.items[place + 1] if place + 1 < len(part.items) else None
    if place == 0 and after is None and before is not None and part.opened == ",":
        head = _head(before)  # "The leading price band, {…}, …"
        return head is None or (head in _BANDS | {"week", "decision time", "price"}) == names
    if not names and isinstance(after, Term) and after.text in {"is", "was", "lead", "leads", "led"}:
        return False
    if not isinstance(directly, Term):
        return True
    if directly.text in _BE:
        head = _head(part)
        counted = _noun_after(part.items, place)[0] is not None
        return counted or (names if head is None else (head in _NUMBERS) != names)
    if directly.has("noun") and not is_verb(part.items, place - 1):
        fits = (
            directly.text in _BANDS and not directly.text.endswith("s")
            if names
            else directly.text == "number" and kind_of(slot) == "estimates"
        )
        return fits
    if is_verb(part.items, place - 1) and slot.name != "confidence":
        return directly.text not in _COUNTING if names else directly.text in _COUNTING
    if (
        directly.text in {"in", "on"}
        and kind_of(slot) == "estimates"
        and _noun_after(part.items, place)[0] is None
    ):
        return False
    if (
        directly.text == "at"
        and not names
        and place > 1
        and part.items[place - 2] == find_terms(["priced"])[0]
    ):
        return False
    if directly.text in {"in", "at", "on"} and kind_of(slot) == "share":
        verb = part.items[place - 2] if place > 1 else None
        of_whole = isinstance(after, Term) and after.text == "of"
        placed = isinstance(verb, Term) and verb.text in _PLACING
        return not placed and (directly.text == "at" or of_whole)
    return True


def _head(part: Part) -> str | None:
    """The first noun of a part."""
    return next((item.text for item in part.items if isinstance(item, Term) and item.has("noun")), None)


def _has_companions(sentence: Sentence) -> bool:
    """Each value stands with the words without which it would say something else."""
    tokens = sentence.tokens
    return all(
        _is_accompanied(tokens, place, token, sentence)
        for place, token in enumerate(tokens)
        if isinstance(token, Slot)
    )


def _is_accompanied(tokens: Sequence[Token], place: int, slot: Slot, sentence: Sentence) -> bool:
    before = _before(tokens, place)
    word = None if before is None else before.text
    after = tokens[place + 1] if place + 1 < len(tokens) else None
    behind_of = tokens[tokens.index(before) - 1] if word == "of" and before is not None else None
    match slot.fact, slot.name:
        case "recent_volume", "change":
            of_move = word == "of" and _claims(behind_of, _MOVES, "noun")
            return (
                of_move or word in {"by", "up by", "down by", "up", "down"} or _claims(after, {"up", "down"})
            )
        case "recent_volume", _:
            return not (_claims(after, {"up", "down"}, "adjective") or _is_a_move(tokens, place))
        case "volume", "average":
            return _in_group(tokens, "an average week") and bool(_texts(tokens) & _WEEKLY)
        case "volume", "weeks":
            averaged = any(
                slot in part.slots and _in_group(part.items, "an average week") for part in sentence.parts
            )
            return not averaged or word in {"over", "across", "in", "during"}
        case "quiet_weeks", "weeks":
            return word in {"of", "out of", "over", "across", "in", "during"}
        case "quiet_weeks", _:
            return _in_group(tokens, _QUIET)
        case "since_previous", "estimates":
            return word == "by"
        case "since_previous", "price_points" | "latency_points":
            return word == "by" and _has_band(sentence, slot)
        case "since_previous", "price_from" | "price_to" | "latency_from" | "latency_to":
            return word in {"from", "to", "after"} and _has_band(sentence, slot)
        case "coverage", _:
            return _names_lack(sentence, slot)
        case _, "ties" if cast("int", sentence.given[slot.fact].values["ties"]) < 2:
            return False
        case _, "ties" if {"count", "share"} & {other.name for other in sentence.slots}:
            return bool(_texts(tokens) & _SHARING) or _in_group(tokens, _HIGHEST)
        case _, "count" | "share" if word in {"of", "across", "among", "out of"}:
            named = isinstance(behind_of, Term) and behind_of.text not in _ESTIMATES
            named = named and (behind_of.has("noun") or behind_of.text in _SHARING)
            return word == "of" and named
        case _:
            return True


def _has_band(sentence: Sentence, slot: Slot) -> bool:
    return Slot(slot.fact, f"{slot.name.partition('_')[0]}_band") in sentence.slots


def _is_a_move(tokens: Sequence[Token], place: int) -> bool:
    """Whether a value of recent_volume is told as a difference: "an increase of 12"."""
    for item in reversed(tokens[:place]):
        if isinstance(item, Mark) or (isinstance(item, Term) and item.text in _CUTS):
            return False
        if _claims(item, _MOVES, "noun") and item.text not in {"trend", "trends"}:
            return True
    return False


def _names_lack(sentence: Sentence, slot: Slot) -> bool:
    """Whether the part says that something is missing, and of what."""
    part = next(part for part in sentence.parts if slot in part.slots)
    lacking = any(
        sense.group == _LACKING and sense.role in {"verb", "adjective"}
        for term in part.terms
        for sense in term.senses
    )
    named = any(
        sense.facts is not None and _aspect_of(slot) in sense.facts
        for term in part.terms
        for sense in term.senses
    )
    return lacking and named and not _texts(part.items) & {"cover", "covers", "covered", "covering"}


_ANCHORS: Mapping[str, tuple[str, ...]] = {
    "price_leader": ("the leading band, without a tie", "a tie"),
    "decision_leader": ("the leading band, without a tie", "a tie"),
    "price_high": ("estimates of $1,500 and more",),
    "decision_fast": ("decided within a week",),
    "decision_slow": ("decided after 22 days or more",),
    "busiest_week": ("the busiest week, without a tie", "a tie", _HIGHEST),
    "recent_volume": ("the last 4 weeks", "the 4 weeks before"),
}
"""Groups of words of which one stands with a fact's value; a band or a week of the fact does as well."""

_SOON = {"within a week", "within the week", "in a week or less", "inside a week"}
_NAMED = {
    "price_high": "estimates of $1,500 and more",
    "decision_fast": "decided within a week",
    "decision_slow": "decided after 22 days or more",
}
_LENGTHS = {"time", "decision time", "decision times", "decision", "latency", "answer", "quick answer"}
_MIDDLES = {"estimate", "decision", "price", "decision time", "decision latency", "latency", "wait"} | {
    "time to a decision", "time to decision", "time from creation to close", "time to close", "wait for a decision",
    "price band", "decision band", "latency band", "band",
}  # fmt: skip
_COUNTED = _ESTIMATES | _DECISIONS | {"them", "total"}
_LED = _BANDS | {
    "group",
    "groups",
    "share",
    "part",
    "portion",
    "count",
    "decision time",
    "decision times",
    "latency",
}
_PEAKED = {
    "week",
    "weekly volume",
    "volume",
    "estimate volume",
    "count",
    "weekly count",
    "activity",
    "demand",
}
_STRONG = {"stronger", "weaker", "busier", "quieter"}
_OFTEN = {"most common", "most frequent"}


def _names_its_fact(sentence: Sentence) -> bool:
    """The words around a value say which estimates or weeks it is about."""
    for run, _ in sentence.runs:
        items = [item for part in run for item in part.items]
        slots = {(item.fact, item.name) for item in items if isinstance(item, Slot)}
        for fact in {fact for fact, _ in slots} & set(_ANCHORS):
            named = {(fact, "band"), (fact, "week")} & slots
            named |= {(fact, "recent"), (fact, "before")} & slots if len(slots) > 1 else set()
            if not named and not any(_in_group(items, group) for group in _ANCHORS[fact]):
                return False
        # "came in within a week" would be about when they came.
        if _texts(items) & _SOON and not (_in_group(items, "decisions") or _in_group(items, "closing")):
            return False
    return True


def _modifies_its_noun(sentence: Sentence) -> bool:
    """ "Most" counts estimates, "largest" is a band, "busiest" a week: no other noun stands behind them."""
    return all(
        _modifies(sentence.tokens, place, token)
        for place, token in enumerate(sentence.tokens)
        if isinstance(token, Term)
    )


_HELPING = {
    "has",
    "have",
    "had",
    "having",
    "get",
    "gets",
    "got",
    "tend to be",
    "tends to be",
    "may lie",
    "could lie",
}
_COMING = {"come", "comes", "came", "coming", "come in", "comes in", "came in", "coming in"}
_RESTING = {"land", "lands", "landed", "sit", "sits", "sat", "lie", "lies", "lay"}


def _may_follow(term: Term, after: Term) -> bool:
    """Whether two words are no sentence by themselves: "lies bands", "decided leads", "of leads"."""
    if term.only("verb") and after.only("verb"):
        return term.text in _BE | _HELPING
    if term.has("adjective") and not (term.has("noun") or term.has("adverb")) and after.only("verb"):
        return after.text in _BE or after.text.startswith("to ")
    if term.text in {"the", "a", "an"} and after.only("verb") and not after.text.endswith("ing"):
        return False
    if term.only("verb", "adverb") and after.text in {"week", "weeks", "band", "bands"}:
        return False
    if term.text in {"lead", "leads", "led", "leading"} and after.text == "to":
        return False
    if (term.text == "alone" and after.has("noun")) or (
        term.text in {"a", "an"} and after.only("noun") and after.text.endswith("s")
    ):
        return False
    if term.text in _RESTING and after.only("noun"):
        return False
    if term.text in {"of", "of all"} and after.only("verb"):
        return False
    if term.text == "of the total" and after.has("noun"):
        return False
    return not (term.only("noun") and after.text in {"the", "a", "an"})


def _subject(tokens: Sequence[Token], place: int) -> str | None:
    """The noun before a verb, behind which only adverbs and forms of "be" stand."""
    for item in reversed(tokens[:place]):
        if not isinstance(item, Term):
            return None
        if item.has("noun"):
            return item.text
        if not (item.only("adverb") or item.text in _BE):
            return None
    return None


def _modifies(tokens: Sequence[Token], place: int, term: Term) -> bool:
    claims = {sense.claim for sense in term.senses}
    if claims & {"majority", "half", "nearly_half", "minority", "small_share"} and not term.only(
        "verb", "adverb"
    ):
        at = place + 1
        while (
            at < len(tokens)
            and isinstance(item := tokens[at], Term)
            and (item.text == "of" or item.only("determiner"))
        ):
            at += 1
        if at == place + 1 and not term.has("determiner"):
            return True
        counted = tokens[at] if at < len(tokens) else None
        return isinstance(counted, Term) and counted.text in _COUNTED
    groups = {sense.group for sense in term.senses}
    after = tokens[place + 1] if place + 1 < len(tokens) else None
    if term.only("noun") and isinstance(after, Term) and after.only("noun") and after.text != "number":
        return False  # "estimates bands"
    if isinstance(after, Term) and not _may_follow(term, after):
        return False
    if (
        term.has("verb")
        and (groups & {"decisions", "prices", "closing"} or term.text in _COMING)
        and _subject(tokens, place) in _BANDS
    ):
        return False
    if (
        groups == {"the previous snapshot"}
        and term.has("verb")
        and isinstance(after, Term)
        and after.only("noun")
    ):
        return False
    if "the middle estimate" in groups and isinstance(after, Term) and after.text == "of":
        return not _texts(tokens[place + 2 : place + 4]).isdisjoint(
            {*_COUNTED, "price distribution", "price range"}
        )
    if not term.has("adjective"):
        return True
    if groups & set(_NAMED.values()) and _subject(tokens, place) in _BANDS:
        return False
    noun, _ = _noun_after(tokens, place)
    if noun is None:
        return True
    if "the middle estimate" in groups:
        return noun in _MIDDLES - (_BANDS if term.text == "middle" else set())
    if groups & set(_NAMED.values()):
        return noun in _COUNTED | _LENGTHS or (noun in _BANDS and "upper" == term.text)
    if claims & {"up", "down"}:
        compared = (
            _ESTIMATES
            | _PEAKED
            | {"weeks", "trend", "recent volume"}
            | (_DECISIONS if "beats" in claims else set())
        )
        return noun in compared and (noun not in {"week", "weeks"} or term.text in _STRONG)
    if "leads" not in claims:
        return True
    busiest = any(sense.group == "the busiest week, without a tie" for sense in term.senses)
    return noun in _LED | (_PEAKED if busiest else set()) or (
        term.text in _OFTEN and noun in {"price", "decision", "time"}
    )


# -- recent and before ----------------------------------------------------------------------------------

_RECENT, _EARLIER = "the last 4 weeks", "the 4 weeks before"
_CONTRASTS = {
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
_CUTS = _CONTRASTS | {"to", "and", "while", "whereas", "but", "although", "though", "then", "or", "with"}


@dataclass
class _Stretch:
    """Words between two marks or contrasts: each names one of the two times."""

    opened: str
    items: list[Item] = field(default_factory=list[Item])

    def names(self, group: str) -> bool:
        """Whether a word of the group is in it."""
        return any(
            sense.group == group for item in self.items if isinstance(item, Term) for sense in item.senses
        )

    @property
    def leads_on(self) -> bool:
        """Whether it only says when, for what follows."""
        return not any(isinstance(item, Slot) or item.only("verb") for item in self.items)


def _stretches(sentence: Sentence) -> list[_Stretch]:
    found = [_Stretch("")]
    for token in sentence.tokens:
        if isinstance(token, Mark) or (isinstance(token, Term) and token.text in _CUTS):
            last = found[-1]
            if isinstance(token, Mark) and token.text == "," and last.items and last.leads_on:
                continue  # "In recent weeks, …"
            found.append(_Stretch(token.text))
        else:
            found[-1].items.append(token)
    return [each for each in found if each.items]


def _keeps_times_apart(sentence: Sentence) -> bool:
    """The value of the recent weeks stands with words for them, or none; so does that of the weeks before."""
    stretches = _stretches(sentence)
    for place, each in enumerate(stretches):
        names = {item.name for item in each.items if isinstance(item, Slot) and item.fact == "recent_volume"}
        recent, earlier = each.names(_RECENT), each.names(_EARLIER)
        if "recent" in names:
            before = stretches[place - 1] if place else None
            taken = not recent and before is not None and before.names(_EARLIER) and not before.names(_RECENT)
            if earlier or taken or each.opened in _CONTRASTS or "before" in names:
                return False
        if "before" in names and (recent or not (earlier or each.opened in _CONTRASTS)):
            return False
    return True


# -- bands and other facts ------------------------------------------------------------------------------

_QUALIFIES = {"leads", "majority", "half", "nearly_half", "tied", "minority"}


def _is_qualified(sentence: Sentence) -> bool:
    """A band comes with its share or count, or is said to be the leading or the middle one."""
    for run, _ in sentence.runs:
        slots = {slot for part in run for slot in part.slots}
        for slot in slots:
            if slot.name == "band" and not (
                {Slot(slot.fact, "share"), Slot(slot.fact, "count")} & slots or _qualified(run)
            ):
                return False
    return True


def _qualified(run: Sequence[Part]) -> bool:
    senses = [sense for part in run for term in part.terms for sense in term.senses]
    return any(sense.claim in _QUALIFIES or sense.group == "the middle estimate" for sense in senses)


def _is_unmistakable(sentence: Sentence) -> bool:
    """The words around a value fit no other fact that was sent: they say which one is meant."""
    for run, _ in sentence.runs:
        slots = {slot for part in run for slot in part.slots if (slot.fact, slot.name) not in _WHOLES}
        if len(slots) != 1:
            continue
        (slot,) = slots
        for other in sentence.given.values():
            if (
                other.id != slot.fact
                and other.values.get(slot.name) is not None
                and _could_be(run, slot, other, sentence)
            ):
                return False
    return True


def _could_be(run: Sequence[Part], slot: Slot, other: Fact, sentence: Sentence) -> bool:
    """Whether the parts would hold with the value of another fact."""
    swapped = Slot(other.id, slot.name)
    pairs = frozenset({(other.id, slot.name)})
    parts = [
        Part(part.opened, [swapped if item == slot else item for item in part.items], pairs) for part in run
    ]
    return all(_holds(part, _aspect_of(swapped), sentence) for part in parts)


SENTENCE_RULES: tuple[SentenceRule, ...] = (
    SentenceRule("length", f"One line of {SHORTEST} to {LONGEST} characters", _has_length),
    SentenceRule("characters", "English letters and plain punctuation", _is_plain),
    SentenceRule("facts", f"It cites 1 to {MOST_FACTS} of the facts, none twice", _cites_facts),
    SentenceRule("placeholders", "It has a placeholder, and each is a value of a cited fact", _has_values),
    SentenceRule("vocabulary", "Every word is in the vocabulary", _is_known),
    SentenceRule("claims", "Every part of it holds of one cited fact", _is_about_facts),
    SentenceRule("units", "Every value stands with its unit, and where it belongs", _has_units),
    SentenceRule("companions", "Every value stands with the words that it needs", _has_companions),
    SentenceRule(
        "subject",
        "Numbers and bands stand with the verbs and nouns that fit them",
        _is_said_of_the_right_noun,
    ),
    SentenceRule(
        "attributes", "Adjectives and quantities stand with the nouns they are true of", _modifies_its_noun
    ),
    SentenceRule("anchor", "The words say which estimates or weeks a value is about", _names_its_fact),
    SentenceRule("times", "Recent weeks and those before are not mixed up", _keeps_times_apart),
    SentenceRule(
        "unqualified", "A band comes with its share, or as the leading or middle one", _is_qualified
    ),
    SentenceRule("ambiguous", "The words fit the value's own fact alone", _is_unmistakable),
)
"""The rules for a sentence, in the order in which the first that does not hold refuses it."""


# -- the whole answer -----------------------------------------------------------------------------------


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
