"""Each value stands with its unit, and with the verb and the noun that fit it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from secondlook.tasks.insights.parsing import (
    Part,
    Slot,
    Term,
    Token,
    find_terms,
    is_verb,
)
from secondlook.tasks.insights.reading import (
    BANDS,
    BE,
    DECISIONS,
    ESTIMATES,
    WHOLES,
    Sentence,
    kind_of,
    noun_after,
    word_before,
)

_NOUNS: Mapping[str, set[str]] = {
    "estimates": ESTIMATES,
    "weeks": {"week", "weeks", "quiet week", "quiet weeks", "empty week", "empty weeks"},
    "bands": BANDS | {"groups"},
    "share": set(),
    "points": set(),
    "band": {band for band in BANDS if not band.endswith("s")} | {"share"},
    "week": set(),
    "confidence": {"confidence"},
}

_WHOLE_NOUNS = ESTIMATES | {"total", "sample", "them"}

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


def has_units(sentence: Sentence) -> bool:
    """Each value stands with its unit, and behind a word that it may stand behind."""
    tokens = sentence.tokens
    return all(_fits(tokens, place, token) for place, token in enumerate(tokens) if isinstance(token, Slot))


def _fits(tokens: Sequence[Token], place: int, slot: Slot) -> bool:
    kind, before = kind_of(slot), word_before(tokens, place)
    if slot.name == "peers":  # no word says what it is
        return False
    if before is not None and slot.name not in _ONLY_BEFORE.get(before.text, {slot.name}):
        return False
    directly = tokens[place - 1] if place else None
    if kind == "week" and isinstance(directly, Term) and directly.has("noun"):
        return False
    noun, at = noun_after(tokens, place)
    allowed = _NOUNS[kind] | (
        DECISIONS if kind == "estimates" and slot.fact.startswith("decision") else set[str]()
    )
    if noun is not None and noun not in allowed:
        return False
    if noun is None and not _stands_alone(slot, kind, tokens, at):
        return False
    if slot.name == "low":
        return _is_interval(tokens, place)
    if slot.name == "high":
        return place >= 2 and tokens[place - 2] == Slot(slot.fact, "low")
    return True


def _stands_alone(slot: Slot, kind: str, tokens: Sequence[Token], at: int) -> bool:
    """Whether a value without a noun behind it is clear all the same."""
    after = tokens[at] if at < len(tokens) else None
    if kind in {"band", "week", "confidence"}:
        return not (isinstance(after, Term) and after.text in {"of", "or", "to"})
    if isinstance(after, Term) and after.text in {"of", "of all"}:
        return kind in {"share", "estimates", "weeks", "bands"} and _is_of_whole(slot, kind, tokens, at)
    if kind == "weeks":
        return slot.fact == "quiet_weeks"
    if kind == "bands" or (slot.fact, slot.name) in WHOLES:
        return False
    return not (isinstance(after, Term) and after.only("adjective"))


def _is_of_whole(slot: Slot, kind: str, tokens: Sequence[Token], at: int) -> bool:
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
    decisions = DECISIONS if slot.fact.startswith("decision") else set[str]()
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


_COUNTING = {
    "make", "makes", "made", "make up", "makes up", "made up", "account for", "accounts for",
    "accounted for", "represent", "represents", "represented", "hold", "holds", "held", "cover",
    "covers", "covered", "include", "includes", "included", "contain", "contains", "contained",
    "comprise", "comprises", "comprised", "have", "has", "had", "bring", "brings", "brought", "see",
    "sees", "saw", "show", "shows", "showed", "give", "gives", "gave", "form", "forms", "formed",
    "making up", "holding", "bringing", "covering", "representing", "including", "having", "reach",
    "reaches", "reached", "reaching", "total", "get", "gets", "got", "amount to", "amounts to",
    "amounted to", "lack", "lacks", "lacked", "lacking", "average", "averages", "averaged", "span",
    "spans", "spanned", "run at", "runs at", "ran at", "leave out", "leaves out", "left out", "tie",
    "ties", "tied", "there is", "there are", "there was", "there were", "accounting for", "find",
    "found",
}  # fmt: skip
"""Verbs with a number behind them."""

_PLACING = {
    "come", "comes", "came", "coming", "come in", "comes in", "came in", "coming in", "fall in", "falls in",
    "fell in", "falling in", "land", "lands", "landed", "sit", "sits", "sat", "priced", "lie", "lies",
    "cluster", "clusters", "clustered",
}  # fmt: skip
"""Verbs of where something is: no share stands behind them alone."""

_NUMBERS = {
    "share", "percentage", "proportion", "portion", "number", "count", "total", "average",
    "weekly average", "highest count", "top count", "largest count", "highest weekly volume",
    "highest weekly count", "total volume", "volume", "weekly volume", "figure", "estimate count",
    "increase", "decrease", "change",
}  # fmt: skip
"""Nouns that a number can be said of."""


def is_said_of_the_right_noun(sentence: Sentence) -> bool:
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
        head = _tail(before)  # "The leading price band, {…}, …"
        return head is None or (head in BANDS | {"week", "decision time", "price"}) == names
    if not names and isinstance(after, Term) and after.text in {"is", "was", "lead", "leads", "led"}:
        return False
    if not isinstance(directly, Term):
        return True
    if directly.text in BE:
        head = _head(part)
        counted = noun_after(part.items, place)[0] is not None
        return counted or (names if head is None else (head in _NUMBERS) != names)
    if directly.has("noun") and not is_verb(part.items, place - 1):
        return (
            directly.text in BANDS and not directly.text.endswith("s")
            if names
            else directly.text == "number" and kind_of(slot) == "estimates"
        )
    if is_verb(part.items, place - 1) and slot.name != "confidence":
        return directly.text not in _COUNTING if names else directly.text in _COUNTING
    if (
        directly.text in {"in", "on"}
        and kind_of(slot) == "estimates"
        and noun_after(part.items, place)[0] is None
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


def _tail(part: Part) -> str | None:
    """The last noun of a part."""
    return next((item.text for item in reversed(part.terms) if item.has("noun")), None)


def _head(part: Part) -> str | None:
    """The first noun of a part."""
    return next((item.text for item in part.items if isinstance(item, Term) and item.has("noun")), None)
