"""Each value stands with the words without which it would say something else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from secondlook.tasks.insights.parsing import (
    Mark,
    Part,
    Slot,
    Term,
    Token,
)
from secondlook.tasks.insights.reading import (
    CUTS,
    ESTIMATES,
    HIGHEST,
    MOVES,
    Sentence,
    aspect_of,
    claims_any,
    in_group,
    texts_of,
    word_before,
)

_SHARING = {"each", "share the lead", "share the top count", "share the highest count"}

_QUIET = "weeks without estimates"

_LACKING = "what a distribution lacks"

_WEEKLY = {
    "week", "weeks", "weekly", "per week", "a week", "each week", "average week", "weekly average",
    "weekly volume",
}  # fmt: skip


def has_companions(sentence: Sentence) -> bool:
    """Each value stands with the words without which it would say something else."""
    return all(
        _is_accompanied(_Place(sentence, place, token))
        for place, token in enumerate(sentence.tokens)
        if isinstance(token, Slot)
    )


@dataclass(frozen=True)
class _Place:
    """A placeholder where it stands."""

    sentence: Sentence
    at: int
    slot: Slot

    @property
    def tokens(self) -> Sequence[Token]:
        return self.sentence.tokens

    @property
    def word(self) -> str | None:
        """The word before it, without articles."""
        before = word_before(self.tokens, self.at)
        return None if before is None else before.text

    @property
    def behind_of(self) -> Token | None:
        """What stands before the "of" that is before it."""
        place = self.at - 1
        while place > 0 and self.tokens[place] != word_before(self.tokens, self.at):
            place -= 1
        return self.tokens[place - 1] if self.word == "of" and place > 0 else None

    @property
    def after(self) -> Token | None:
        return self.tokens[self.at + 1] if self.at + 1 < len(self.tokens) else None


def _is_accompanied(place: _Place) -> bool:
    slot = place.slot
    check = _NEEDS.get(slot.fact) or _NEEDS.get(slot.name)
    return check is None or check(place)


def _recent_volume(place: _Place) -> bool:
    if place.slot.name != "change":
        more = claims_any(place.after, {"up", "down"}, "adjective")
        return not (more or _is_a_move(place.tokens, place.at))
    of_move = claims_any(place.behind_of, MOVES, "noun")
    return of_move or place.word in _MOVING or claims_any(place.after, {"up", "down"})


def _volume(place: _Place) -> bool:
    if place.slot.name == "average":
        return in_group(place.tokens, _AVERAGE) and bool(texts_of(place.tokens) & _WEEKLY)
    if place.slot.name == "estimates":
        return not any(text.startswith("weekly") for text in texts_of(_part(place).items))
    if place.slot.name == "weeks":
        parts = [part for part in place.sentence.parts if place.slot in part.slots]
        return place.word in _THROUGH or not any(in_group(part.items, _AVERAGE) for part in parts)
    return True


def _quiet_weeks(place: _Place) -> bool:
    if place.slot.name == "weeks":
        return place.word in {"of", "out of", *_THROUGH}
    return in_group(place.tokens, _QUIET)


def _since_previous(place: _Place) -> bool:
    if place.slot.name == "estimates":
        return place.word == "by" and not texts_of(place.tokens) & {"share", "shares"}
    if place.slot.name.endswith("_band"):
        return True
    words = {"by"} if place.slot.name.endswith("_points") else {"from", "to", "after"}
    return place.word in words and _has_band(place)


def _sample(place: _Place) -> bool:
    named = texts_of(_part(place).items) & {"confidence", "confidence level", "level"}
    return place.slot.name != "confidence" or bool(named)


def _part(place: _Place) -> Part:
    return next(part for part in place.sentence.parts if place.slot in part.slots)


def _ties(place: _Place) -> bool:
    ties = place.sentence.given[place.slot.fact].values["ties"]
    if not isinstance(ties, int) or ties < 2:
        return False
    counted = {"count", "share"} & {slot.name for slot in place.sentence.slots}
    return not counted or bool(texts_of(place.tokens) & _SHARING) or in_group(place.tokens, HIGHEST)


def _counted(place: _Place) -> bool:
    """A count is no whole ("of these 12 estimates"), but may be that of a noun ("a peak of 12")."""
    if place.word not in {"of", "across", "among", "out of"}:
        return True
    noun = place.behind_of
    if not isinstance(noun, Term) or noun.text in ESTIMATES:
        return False
    return noun.has("noun") or noun.text in _SHARING


_NEEDS: Mapping[str, Callable[[_Place], bool]] = {
    "recent_volume": _recent_volume,
    "volume": _volume,
    "quiet_weeks": _quiet_weeks,
    "since_previous": _since_previous,
    "sample": _sample,
    "coverage": lambda place: _names_lack(place.sentence, place.slot),
    "ties": _ties,
    "count": _counted,
    "share": _counted,
}
"""What a value needs, by its fact or by its name."""

_AVERAGE = "an average week"
_THROUGH = {"over", "across", "in", "during"}
_MOVING = {"by", "up by", "down by", "up", "down"}


def _has_band(place: _Place) -> bool:
    """Whether the band that moved, or its share, is named before."""
    aspect = place.slot.name.partition("_")[0]
    before = place.tokens[: place.at]
    return Slot(place.slot.fact, f"{aspect}_band") in (
        before if aspect + "_points" != place.slot.name else place.tokens
    )


def _is_a_move(tokens: Sequence[Token], place: int) -> bool:
    """Whether a value of recent_volume is told as a difference: "an increase of 12"."""
    for item in reversed(tokens[:place]):
        if isinstance(item, Mark) or (isinstance(item, Term) and item.text in CUTS):
            return False
        trend = isinstance(item, Term) and item.text in {"trend", "trends"}
        if claims_any(item, MOVES, "noun") and not trend:
            return True
    return False


def _names_lack(sentence: Sentence, slot: Slot) -> bool:
    """Whether something is missing, and the part says so, and of what."""
    part = next(part for part in sentence.parts if slot in part.slots)
    lacking = any(
        sense.group == _LACKING and sense.role in {"verb", "adjective"}
        for term in part.terms
        for sense in term.senses
    )
    named = any(
        sense.facts is not None and aspect_of(slot) in sense.facts
        for term in part.terms
        for sense in term.senses
    )
    lacks = bool(sentence.given[slot.fact].values[slot.name])
    return (
        lacks and lacking and named and not texts_of(part.items) & {"cover", "covers", "covered", "covering"}
    )


_ANCHORS: Mapping[str, tuple[str, ...]] = {
    "price_leader": ("the leading band, without a tie", "a tie"),
    "decision_leader": ("the leading band, without a tie", "a tie"),
    "price_high": ("estimates of $1,500 and more",),
    "decision_fast": ("decided within a week",),
    "decision_slow": ("decided after 22 days or more",),
    "busiest_week": ("the busiest week, without a tie", "a tie", HIGHEST),
    "recent_volume": ("the last 4 weeks", "the 4 weeks before"),
}
"""Groups of words of which one stands with a fact's value; a band or a week of the fact does as well."""

_SOON = {"within a week", "in a week or less", "inside a week"}


def names_its_fact(sentence: Sentence) -> bool:
    """The words around a value say which estimates or weeks it is about."""
    for run, _ in sentence.runs:
        items = [item for part in run for item in part.items]
        slots = {(item.fact, item.name) for item in items if isinstance(item, Slot)}
        for fact in {fact for fact, _ in slots} & set(_ANCHORS):
            named = {(fact, "band"), (fact, "week")} & slots
            named |= {(fact, "recent"), (fact, "before")} & slots if len(slots) > 1 else set()
            if not named and not any(in_group(items, group) for group in _ANCHORS[fact]):
                return False
        # "came in within a week" would be about when they came.
        if texts_of(items) & _SOON and not (in_group(items, "decisions") or in_group(items, "closing")):
            return False
    return True
