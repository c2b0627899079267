"""Which facts stand out: by how far they are from chance, and by how large they are. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

from secondlook.tasks.insights.chance import ALPHA, upper_tail
from secondlook.tasks.insights.fact import Fact

MOST = 5
"""So many are shown at the most before "All facts"."""

_CONTEXT = ("volume", "price_leader", "decision_leader", "price_median", "decision_median", "sample")
"""What is told where nothing else is, in this order."""


def rank(facts: Sequence[Fact]) -> tuple[Fact, ...]:
    """The facts that stand out, at most five: clear ones first, then by size; one about the same counts.

    A fact with a test stands out where it is clear. A share does where its interval leaves out the share that
    evenly spread estimates have; a busiest week and quiet weeks do where even spreading rarely makes them.
    """
    by_id = {fact.id: fact for fact in facts}
    strengths = {fact.id: _STRENGTHS.get(fact.id, _none)(fact, by_id) for fact in facts}
    ranked = sorted(facts, key=lambda fact: (not fact.clear, -strengths[fact.id]))
    found: dict[tuple[str, ...], Fact] = {}
    for fact in ranked:
        if strengths[fact.id] > 0:
            found.setdefault(fact.cells, fact)
    return tuple(found.values())[:MOST]


def strongest(facts: Sequence[Fact]) -> Fact | None:
    """The clear fact that stands out most; None where none is clear."""
    return next((fact for fact in rank(facts) if fact.clear), None)


def tell(facts: Sequence[Fact], least: int) -> tuple[Fact, ...]:
    """The facts that stand out and, where they are fewer than `least`, what the snapshot is about."""
    standing_out = rank(facts)
    by_id = {fact.id: fact for fact in facts}
    rest = [by_id[name] for name in _CONTEXT if name in by_id and by_id[name] not in standing_out]
    return (*standing_out, *rest[: max(0, least - len(standing_out))])


def _number(fact: Fact, name: str) -> float:
    return float(cast("float", fact.values[name] or 0))


def _none(_fact: Fact, _facts: Mapping[str, Fact]) -> float:
    return 0.0


def _leader(fact: Fact, _facts: Mapping[str, Fact]) -> float:
    return _number(fact, "share") if fact.clear else 0.0


def _recent(fact: Fact, _facts: Mapping[str, Fact]) -> float:
    both = _number(fact, "recent") + _number(fact, "before")
    return abs(_number(fact, "change")) / both if fact.clear else 0.0


def _moved(fact: Fact, _facts: Mapping[str, Fact]) -> float:
    points = (abs(_number(fact, name)) for name in ("price_points", "latency_points"))
    return max(points) / 100 if fact.clear else 0.0


def _beside(even: float) -> Callable[[Fact, Mapping[str, Fact]], float]:
    """How far the interval of a share lies from the share of evenly spread estimates."""

    def distance(fact: Fact, _facts: Mapping[str, Fact]) -> float:
        return max(_number(fact, "low") - even, even - _number(fact, "high"), 0.0)

    return distance


def _busiest(fact: Fact, facts: Mapping[str, Fact]) -> float:
    weeks, estimates = int(_number(facts["volume"], "weeks")), int(_number(facts["volume"], "estimates"))
    if fact.values["ties"] != 1 or weeks == 1:
        return 0.0
    rare = weeks * upper_tail(int(_number(fact, "count")), estimates, 1 / weeks) < ALPHA
    return _number(fact, "share") - 1 / weeks if rare else 0.0


def _quiet(fact: Fact, facts: Mapping[str, Fact]) -> float:
    weeks, count = int(_number(fact, "weeks")), int(_number(fact, "count"))
    expected = (1 - 1 / weeks) ** int(_number(facts["volume"], "estimates"))
    return count / weeks - expected if upper_tail(count, weeks, expected) < ALPHA else 0.0


_STRENGTHS: Mapping[str, Callable[[Fact, Mapping[str, Fact]], float]] = {
    "busiest_week": _busiest,
    "quiet_weeks": _quiet,
    "recent_volume": _recent,
    "price_leader": _leader,
    "decision_leader": _leader,
    "price_high": _beside(1 / 2),
    "decision_fast": _beside(1 / 2),
    "decision_slow": _beside(1 / 4),
    "since_previous": _moved,
}
