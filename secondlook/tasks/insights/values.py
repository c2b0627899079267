"""Each value stands with its unit, and with the verb and the noun that fit it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from secondlook.tasks.insights.parsing import (
    Part,
    Slot,
    Term,
    Token,
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
    texts_of,
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
        of_a_share = texts_of(tokens) & (_SHARES | {"shares"}) or Slot(slot.fact, "share") in tokens
        return bool(of_a_share) and _is_interval(tokens, place)
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

_SHARES = {"share", "percentage", "proportion", "portion"}
"""Those of them that a share can be said of, and no other number."""


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
    if isinstance(after, Term) and not _goes_on(part, place, after, names=names):
        return False
    if not isinstance(directly, Term):
        return True
    if directly.text in BE:
        return _may_be(part, place, slot, names=names)
    if is_verb(part.items, place - 1):
        return slot.name == "confidence" or (directly.text in _COUNTING) != names
    if directly.has("noun"):
        singular = directly.text in BANDS and not directly.text.endswith("s")
        return singular if names else directly.text == "number" and kind_of(slot) == "estimates"
    return names or _stands_there(part, place, directly.text, kind_of(slot))


def _goes_on(part: Part, place: int, after: Term, *, names: bool) -> bool:
    """Whether the verb behind a value fits it: a number is no band, and no band is the only one."""
    if names:
        return after.text not in BE or not _is_a_plain_band(part, place + 2)
    return after.text not in {"is", "was", "lead", "leads", "led"}


def _may_be(part: Part, place: int, slot: Slot, *, names: bool) -> bool:
    """Whether the first noun of a part can be what the value says: a share is a share, a band a band."""
    head, counted = _head(part), noun_after(part.items, place)[0] is not None
    if counted or head is None:
        return counted or names
    if names:
        return head not in _NUMBERS
    return head in (_SHARES if kind_of(slot) == "share" else _NUMBERS - _SHARES)


def _stands_there(part: Part, place: int, word: str, kind: str) -> bool:
    """Whether a number may stand behind "in", "on" or "at"."""
    verb = part.items[place - 2] if place > 1 else None
    after = part.items[place + 1] if place + 1 < len(part.items) else None
    if word == "at":
        placing = {"priced"} | (_PLACING if kind == "share" else set[str]())
        return not (isinstance(verb, Term) and verb.text in placing)
    if word in {"in", "on"} and kind == "estimates":
        return noun_after(part.items, place)[0] is not None
    if word in {"in", "on"} and kind == "share":
        placed = isinstance(verb, Term) and verb.text in _PLACING
        return not placed and isinstance(after, Term) and after.text == "of"
    return True


def _is_a_plain_band(part: Part, place: int) -> bool:
    """Whether "the price range" stands there, as if there were no other."""
    rest = [item for item in part.items[place : place + 2] if isinstance(item, Term)]
    return len(rest) == 2 and rest[0].text == "the" and rest[1].text in BANDS


def _tail(part: Part) -> str | None:
    """The last noun of a part."""
    return next((item.text for item in reversed(part.terms) if item.has("noun")), None)


def _head(part: Part) -> str | None:
    """The first noun of a part."""
    return next((item.text for item in part.items if isinstance(item, Term) and item.has("noun")), None)
