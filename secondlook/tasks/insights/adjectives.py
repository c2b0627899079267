"""Adjectives, quantities and verbs stand with the nouns that they are true of."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from secondlook.tasks.insights.parsing import (
    Term,
    Token,
)
from secondlook.tasks.insights.reading import (
    BANDS,
    BE,
    DECISIONS,
    EARLIER,
    ESTIMATES,
    RECENT,
    Sentence,
    claims_any,
    in_group,
    noun_after,
    subject_before,
    texts_of,
)

_NAMED = {"estimates of $1,500 and more", "decided within a week", "decided after 22 days or more"}
_MIDDLE = "the middle estimate"
_BARE = {"week", "weeks", "band", "bands", "price", "prices"}
"""Nouns that stand behind no verb or adverb."""

_PREPOSITIONS = {
    "of",
    "of all",
    "for",
    "in",
    "at",
    "on",
    "by",
    "from",
    "among",
    "across",
    "over",
    "into",
    "about",
}
_LEADING = {"lead", "leads"}
_GROWTH = {
    "growth", "increase", "increases", "rise", "rises", "gain", "gains", "decline", "declines",
    "decrease", "decreases", "drop", "drops", "fall", "falls", "trend", "trends",
}  # fmt: skip
_WAYS = {"up", "down", "upward", "downward"}
_ARTICLES = {"the", "a", "an"}
_QUANTITIES = {"majority", "half", "nearly_half", "minority", "small_share"}

_LENGTHS = {"time", "decision time", "decision times", "decision", "latency", "answer", "quick answer"}

_MIDDLES = {"estimate", "decision", "price", "decision time", "decision latency", "latency", "wait"} | {
    "time to a decision", "time to decision", "time from creation to close", "time to close",
    "wait for a decision", "price band", "decision band", "latency band", "band",
}  # fmt: skip

_COUNTED = ESTIMATES | DECISIONS | {"them", "total"}

_LED = BANDS | {
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

_COMPARED = ESTIMATES | (_PEAKED - {"week"}) | {"trend", "recent volume"}
_STRONG = {"stronger", "weaker", "busier", "quieter"}

_OFTEN = {"most common", "most frequent"}


def modifies_its_noun(sentence: Sentence) -> bool:
    """Whether no other noun stands behind a quantity or an adjective: "most" counts estimates only."""
    return all(
        check(sentence.tokens, place, token)
        for place, token in enumerate(sentence.tokens)
        if isinstance(token, Term)
        for check in _CHECKS
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


def _may_follow(tokens: Sequence[Token], place: int, term: Term) -> bool:
    """Whether a word makes sense before the next one: not "lies bands", "decided leads", "of leads"."""
    after = _next(tokens, place)
    if after is None:
        return True
    return _verb_may_follow(term, after) if after.only("verb") else _noun_may_follow(term, after)


def _next(tokens: Sequence[Token], place: int) -> Term | None:
    after = tokens[place + 1] if place + 1 < len(tokens) else None
    return after if isinstance(after, Term) else None


def _verb_may_follow(term: Term, after: Term) -> bool:
    if term.text in BE:
        return after.text not in _LEADING
    if term.only("verb"):
        return term.text in _HELPING
    if term.only("noun") and term.text.endswith("s") and after.text == "leads":
        return False
    if term.has("adjective") and not (term.has("noun") or term.has("adverb")):
        return after.text in BE or after.text.startswith("to ")
    if term.text in _ARTICLES:
        return after.text.endswith("ing")
    return term.text not in _PREPOSITIONS


def _noun_may_follow(term: Term, after: Term) -> bool:
    noun = after.only("noun")
    refused = (
        term.only("noun")
        and (after.text in _ARTICLES or (noun and after.text != "number")),  # "estimates bands"
        term.only("verb", "adverb") and after.text in _BARE,
        term.text in {*_LEADING, "led", "leading"} and after.text == "to",  # a cause
        term.text in {"alone", "of the total"} and after.has("noun"),
        term.text in {"a", "an"} and noun and after.text.endswith("s"),
        term.text in {*_RESTING, *_LEADING} and noun,
        term.text in _BARE and (after.text == "to" or after.has("adjective")),
        noun and term.has("verb") and {sense.group for sense in term.senses} == {"the previous snapshot"},
    )
    return not any(refused)


def _counts_its_noun(tokens: Sequence[Token], place: int, term: Term) -> bool:
    """Most, half, a minority: of estimates or decisions."""
    grouped = term.text in {"group", "groups", "largest group"}
    if not grouped and (term.only("verb", "adverb") or not claims_any(term, _QUANTITIES)):
        return True
    at = place + 1
    while at < len(tokens) and isinstance(item := tokens[at], Term) and _is_skipped(item):
        at += 1
    if at == place + 1 and not term.has("determiner"):
        return True
    counted = tokens[at] if at < len(tokens) else None
    return isinstance(counted, Term) and counted.text in _COUNTED


def _is_skipped(term: Term) -> bool:
    return term.text == "of" or term.only("determiner")


def _has_a_fitting_subject(tokens: Sequence[Token], place: int, term: Term) -> bool:
    """A band is not decided, not priced, and not quick."""
    groups = {sense.group for sense in term.senses}
    decided = term.has("verb") and (groups & {"decisions", "prices", "closing"} or term.text in _COMING)
    named = term.has("adjective") and groups & _NAMED
    subject = subject_before(tokens, place)
    moved = subject in _GROWTH and claims_any(term, {"up", "down"})
    if moved and not (subject in {"trend", "trends"} and term.text in _WAYS):
        return False  # "growth grew"
    if (
        subject in {"weeks", "bands", "prices"}
        and term.only("verb")
        and term.text.endswith("s")
        and term.text not in BE
    ):
        return False  # "weeks holds"
    return not (decided or named) or subject not in BANDS


def _is_in_the_middle_of_estimates(tokens: Sequence[Token], place: int, term: Term) -> bool:
    """The middle of the estimates, not of the bands."""
    after = _next(tokens, place)
    if not in_group([term], _MIDDLE) or after is None or after.text != "of":
        return True
    whole = {*_COUNTED, "price distribution", "price range"}
    return not texts_of(tokens[place + 2 : place + 4]).isdisjoint(whole)


def _fits_its_noun(tokens: Sequence[Token], place: int, term: Term) -> bool:
    noun = noun_after(tokens, place)[0] if term.has("adjective") else None
    if noun is None:
        return True
    groups, claims = {sense.group for sense in term.senses}, {sense.claim for sense in term.senses}
    if _MIDDLE in groups:
        return noun in _MIDDLES - (BANDS if term.text == "middle" else set())
    if groups & _NAMED:
        return noun in _COUNTED | _LENGTHS or (noun in BANDS and term.text == "upper")
    if groups & {RECENT, EARLIER}:
        return noun != "week"  # one of four
    if claims & {"up", "down"}:
        return noun in _COMPARED | (DECISIONS if "beats" in claims else set[str]()) or (
            noun in {"week", "weeks"} and term.text in _STRONG
        )
    if "leads" in claims:
        led = _LED | (_PEAKED if "the busiest week, without a tie" in groups else set[str]())
        return noun in led or (term.text in _OFTEN and noun in {"price", "decision", "time"})
    return True


_CHECKS: tuple[Callable[[Sequence[Token], int, Term], bool], ...] = (
    _may_follow,
    _counts_its_noun,
    _has_a_fitting_subject,
    _is_in_the_middle_of_estimates,
    _fits_its_noun,
)
