"""Each fact in a sentence of our own; every number in it is a value of the fact, or what a share is of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

from secondlook.tasks.insights.fact import Fact
from secondlook.tasks.insights.wording import count_text, value_text

_WIDE = 0.2
"""An interval wider than this is told, because the sample is small."""


@dataclass(frozen=True)
class Basis:
    """What a sentence needs besides the values.

    Attributes:
        whole: How many estimates the fact's shares are of.
        before: The same of the previous snapshot's price and latency bands, by the beginning of the names.
        now: The same of this snapshot's.
        beyond_chance: Of the bands that moved, those whose test rules out chance.
        apart: Whether the two snapshots have no week in common.
    """

    whole: int = 0
    before: Mapping[str, int] | None = None
    now: Mapping[str, int] | None = None
    beyond_chance: frozenset[str] = frozenset()
    apart: bool = False


def write_sentence(fact: Fact, basis: Basis) -> str:
    """Return a fact in words, in one or two sentences."""
    return _SENTENCES[fact.id](fact, basis)


def write_briefly(fact: Fact) -> str:
    """Return a clear fact in a few words, for a line of a list."""
    if fact.id == "recent_volume":
        return f"{value_text(fact, 'recent')} in recent weeks, {value_text(fact, 'before')} before"
    verb = {"price_leader": "are", "decision_leader": "took"}.get(fact.id)
    return fact.sentence if verb is None else f"{value_text(fact, 'share')} {verb} {value_text(fact, 'band')}"


def _int(fact: Fact, name: str) -> int:
    return cast("int", fact.values[name])


def _volume(fact: Fact, _: Basis) -> str:
    count, weeks = _int(fact, "estimates"), count_text(_int(fact, "weeks"), "week")
    if count == 0:
        return f"No estimate closed in {weeks}."
    closed = f"{count_text(count, 'estimate')} closed in {weeks}"
    average = value_text(fact, "average")
    return f"{closed}." if _int(fact, "weeks") == 1 else f"{closed}, an average of {average} a week."


def _busiest_week(fact: Fact, basis: Basis) -> str:
    count, share = _int(fact, "count"), _share(fact, basis)
    if _int(fact, "ties") > 1:
        ties, each = value_text(fact, "ties"), count_text(count, "estimate")
        return f"{ties} weeks tie at {each}, the highest count of a week. Each is {share}."
    week = value_text(fact, "week")
    if count == basis.whole:
        return f"{_all(count)} closed in {week}."
    return f"The busiest week is {week}, with {share}."


def _quiet_weeks(fact: Fact, _: Basis) -> str:
    weeks = count_text(_int(fact, "weeks"), "week")
    if fact.values["count"] == fact.values["weeks"]:
        return f"No estimate closed in {weeks}."
    return f"{value_text(fact, 'count')} of {weeks} had no closed estimate."


def _recent_volume(fact: Fact, _: Basis) -> str:
    recent, before = _int(fact, "recent"), _int(fact, "before")
    if recent == before == 0:
        return "No estimate closed in the last eight weeks covered."
    counted = count_text(recent, "estimate") if recent else "No estimate"
    closed = f"{counted} closed in the last four weeks covered"
    if recent == before:
        return f"{closed}, as many as in the four weeks before."
    change = f"{value_text(fact, 'change')} {'more' if recent > before else 'fewer'}"
    verdict = "more than chance explains" if fact.clear else "a difference that may be chance"
    earlier = value_text(fact, "before") if before else "none"
    return f"{closed}, and {earlier} in the four weeks before: {change}, {verdict}."


def _price_leader(fact: Fact, basis: Basis) -> str:
    return _leader(fact, basis, "price band", "The largest price band")


def _decision_leader(fact: Fact, basis: Basis) -> str:
    return _leader(fact, basis, "decision time", "The most common decision time")


def _leader(fact: Fact, basis: Basis, noun: str, leader: str) -> str:
    count, share = _int(fact, "count"), _share(fact, basis)
    if _int(fact, "ties") > 1:
        ties, each = value_text(fact, "ties"), count_text(count, "estimate")
        return f"{ties} {noun}s tie at {each}, the highest count. Each is {share}."
    band = value_text(fact, "band")
    if count == basis.whole:
        have = "have" if count > 1 else "has"
        return f"{_all(count)} {have} one {noun}: {band}."
    verdict = "is more than chance explains" if fact.clear else "may be chance"
    return f"{leader} is {band}: {share}. Its lead over the next one {verdict}.{_likely(fact)}"


def _price_median(fact: Fact, _: Basis) -> str:
    return f"The median estimate is priced {value_text(fact, 'band')}."


def _decision_median(fact: Fact, _: Basis) -> str:
    return f"The median estimate took {value_text(fact, 'band')} to decide."


def _price_high(fact: Fact, basis: Basis) -> str:
    return _part(fact, basis, "is $1,500 or more", "are $1,500 or more")


def _decision_fast(fact: Fact, basis: Basis) -> str:
    return _part(fact, basis, "was decided in 7 days or less", "were decided in 7 days or less")


def _decision_slow(fact: Fact, basis: Basis) -> str:
    return _part(fact, basis, "took 22 days or more to decide", "took 22 days or more to decide")


def _part(fact: Fact, basis: Basis, one: str, several: str) -> str:
    count, after = _int(fact, "count"), f"{_likely(fact)}{_compared(fact)}"
    if count == 0:
        none = f"None of the {basis.whole:,} estimates" if basis.whole > 1 else "No estimate"
        return f"{none} {one}.{after}"
    if count == basis.whole:
        return f"{_all(count)} {several if count > 1 else one}.{after}"
    return f"{_share(fact, basis)} {several}.{after}"


def _compared(fact: Fact) -> str:
    if "peers" not in fact.values:
        return ""
    return f" The median of the other sources is {value_text(fact, 'peers')}."


def _since_previous(fact: Fact, basis: Basis) -> str:
    change = _int(fact, "estimates")
    counted = "As many estimates are counted here."
    if change:
        estimates = count_text(abs(change), "more estimate" if change > 0 else "fewer estimate")
        counted = f"{estimates} {'is' if abs(change) == 1 else 'are'} counted here."
    weeks = (
        "The previous snapshot covers other weeks."
        if basis.apart
        else "The same estimates may count here and in the previous snapshot."
    )
    return " ".join((weeks, counted, *_moves(fact, basis)))


def _moves(fact: Fact, basis: Basis) -> list[str]:
    return [_move(fact, basis, name) for name in ("price", "latency") if fact.values[f"{name}_band"]]


def _move(fact: Fact, basis: Basis, name: str) -> str:
    band = value_text(fact, f"{name}_band")
    subject = f"The price band {band}" if name == "price" else f"The decision time {band}"
    after, before = value_text(fact, f"{name}_to"), value_text(fact, f"{name}_from")
    now, then = (basis.now or {}).get(name, 0), (basis.before or {}).get(name, 0)
    told = f"{subject} has {after} of {now:,} estimates here and {before} of {then:,} there"
    if not basis.apart:
        return f"{told}."
    points = value_text(fact, f"{name}_points")
    verdict = "more than chance explains" if name in basis.beyond_chance else "which may be chance"
    return f"{told}: {points} {'up' if _points(fact, name) > 0 else 'down'}, {verdict}."


def _points(fact: Fact, name: str) -> float:
    return cast("float", fact.values[f"{name}_points"])


def _coverage(fact: Fact, basis: Basis) -> str:
    names = {
        "weekly_volume": "the weekly volume lacks",
        "price_distribution": "the price bands lack",
        "decision_latency": "the decision times lack",
    }
    parts = [f"{lacks} {value_text(fact, key)}" for key, lacks in names.items() if fact.values[key]]
    listed = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
    return f"Of the {count_text(basis.whole, 'estimate')}, {listed}."


def _sample(fact: Fact, _: Basis) -> str:
    count = _int(fact, "estimates")
    counted = f"{count_text(count, 'estimate')} {'is' if count == 1 else 'are'} counted"
    return f"{counted}; confidence is {value_text(fact, 'confidence')}."


def _share(fact: Fact, basis: Basis) -> str:
    return f"{value_text(fact, 'share')} of the estimates ({value_text(fact, 'count')} of {basis.whole:,})"


def _all(count: int) -> str:
    return f"All {count:,} estimates" if count > 1 else "The one estimate"


def _likely(fact: Fact) -> str:
    low, high = cast("float", fact.values["low"]), cast("float", fact.values["high"])
    if high - low <= _WIDE:
        return ""
    return f" Likely range at this sample size: {value_text(fact, 'low')} to {value_text(fact, 'high')}."


_SENTENCES: Mapping[str, Callable[[Fact, Basis], str]] = {
    "volume": _volume,
    "busiest_week": _busiest_week,
    "quiet_weeks": _quiet_weeks,
    "recent_volume": _recent_volume,
    "price_leader": _price_leader,
    "decision_leader": _decision_leader,
    "price_median": _price_median,
    "decision_median": _decision_median,
    "price_high": _price_high,
    "decision_fast": _decision_fast,
    "decision_slow": _decision_slow,
    "since_previous": _since_previous,
    "coverage": _coverage,
    "sample": _sample,
}
