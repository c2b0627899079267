"""What a checked word claims of a fact, by the name that vocabulary.json gives the claim."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from secondlook.tasks.insights.fact import Fact
from secondlook.tasks.insights.parsing import Part, Slot, Term, is_verb

Predicate = Callable[[Fact, Part, Term], bool]

Z_90 = 1.6448536269514722
"""The quantile of a two-sided 90 % interval."""


def _share(fact: Fact) -> float | None:
    share = fact.values.get("share")
    return float(share) if isinstance(share, (int, float)) else None


def _shared(holds: Callable[[float], bool]) -> Predicate:
    """A claim about a fact's share."""

    def check(fact: Fact, _part: Part, _term: Term) -> bool:
        share = _share(fact)
        return share is not None and holds(share)

    return check


_QUANTITIES = frozenset({"majority", "half", "nearly_half", "minority", "small_share"})


def _of(holds: Callable[[Fact], bool]) -> Predicate:
    """A claim about the fact alone."""
    return lambda fact, _part, _term: holds(fact)


def _measured(fact: Fact, part: Part, term: Term) -> bool:
    """The word only names its estimates ("Quick decisions …"), or the part says how many, or most are so."""
    share = _share(fact)
    if share is not None and share > 1 / 2:
        return True
    named = {(fact.id, name) for name in ("share", "count", "low", "high")}
    first = next((item for item in part.items if isinstance(item, Slot) or not item.only("determiner")), None)
    return (
        bool(named & (part.values | (part.values_before if is_verb(part.items, 0) else frozenset())))
        or first is term
        or any(sense.claim in _QUANTITIES for each in part.terms for sense in each.senses)
    )


def _average(_fact: Fact, part: Part, _term: Term) -> bool:
    """The words "average" and "a week" belong to the average, and not to the total."""
    return ("volume", "average") in part.of_sentence and part.values <= {
        ("volume", "average"),
        ("volume", "weeks"),
    }


def is_steady(recent: int, before: int) -> bool:
    """Whether the 90 % Wilson interval of recent among recent + before lies within 0.40 to 0.60."""
    n = recent + before
    if n == 0:
        return False
    share, z2 = recent / n, Z_90**2
    center = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z_90 * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return center - half >= 0.40 and center + half <= 0.60


def _steady(fact: Fact, _part: Part, _term: Term) -> bool:
    recent, before = fact.values.get("recent"), fact.values.get("before")
    return isinstance(recent, int) and isinstance(before, int) and is_steady(recent, before)


def _ties(fact: Fact) -> int:
    ties = fact.values.get("ties")
    return ties if isinstance(ties, int) else 0


def _few_weeks(fact: Fact) -> bool:
    number, weeks = fact.values.get("count"), fact.values.get("weeks")
    return isinstance(number, int) and isinstance(weeks, int) and 4 * number <= weeks


def _beats(fact: Fact, part: Part, _term: Term) -> bool:
    """The largest band has more than any other; "more" alone would speak of a change."""
    return _ties(fact) == 1 and any(
        term.text.startswith("than ") and "any other" in term.text for term in part.terms
    )


PREDICATES: Mapping[str, Predicate] = {
    "majority": _shared(lambda share: share > 1 / 2),
    "half": _shared(lambda share: 0.45 <= share <= 0.55),
    "nearly_half": _shared(lambda share: 0.45 <= share < 1 / 2),
    "minority": _shared(lambda share: share < 1 / 2),
    "small_share": _shared(lambda share: share <= 1 / 4),
    "measured": _measured,
    "average": _average,
    "leads": _of(lambda fact: _ties(fact) == 1),
    "tied": _of(lambda fact: _ties(fact) > 1),
    "clear": _of(lambda fact: fact.clear),
    "up": _of(lambda fact: fact.clear and fact.direction == "up"),
    "down": _of(lambda fact: fact.clear and fact.direction == "down"),
    "beats": _beats,
    "few_weeks": _of(_few_weeks),
    "moves": _of(lambda fact: fact.clear and fact.direction is not None),
    "steady": _steady,
    "interval": lambda fact, part, _: (fact.id, "low") in part.of_sentence,
    "low_confidence": _of(lambda fact: fact.values.get("confidence") == "low"),
}
"""Every claim. Each has its test."""
