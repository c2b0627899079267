"""How the values of facts stand in a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

from secondlook.domain.buckets import LatencyBand, PriceBand
from secondlook.domain.weeks import monday_of
from secondlook.tasks.insights.fact import Fact, Value

_BANDS: Mapping[str, str] = {
    PriceBand.LT_500: "under $500",
    PriceBand.FROM_500: "$500 to $1,500",
    PriceBand.FROM_1500: "$1,500 to $5,000",
    PriceBand.FROM_5000: "$5,000 or more",
    LatencyBand.DAYS_0_2: "0 to 2 days",
    LatencyBand.DAYS_3_7: "3 to 7 days",
    LatencyBand.DAYS_8_21: "8 to 21 days",
    LatencyBand.DAYS_22: "22 days or more",
}
_SHARES = frozenset({"share", "low", "high", "peers", "price_from", "price_to", "latency_from", "latency_to"})
_POINTS = frozenset({"price_points", "latency_points"})


def value_text(fact: Fact, name: str) -> str:
    """A value of a fact as it stands in a sentence, such as "34 %" or "the week of March 30, 2026".

    Numbers come without a sign: the words around them say where they went.

    Raises:
        KeyError: The fact has no value of that name.
        ValueError: The value is null.
    """
    value = fact.values[name]
    if value is None:
        raise ValueError(f"{fact.id}.{name} is null")
    return _text(name, value)


def _text(name: str, value: Value) -> str:
    if isinstance(value, str):
        return week_text(value) if name == "week" else _BANDS.get(value, value)
    size = Decimal(repr(value)).copy_abs()
    if name in _SHARES:
        return f"{_whole(100 * size):,} %"
    if name in _POINTS:
        return count_text(int(_whole(size)), "point")
    return _average(size) if name == "average" else f"{size:,}"


def week_text(week: str) -> str:
    """A week by its Monday: "the week of March 30, 2026"."""
    return f"the week of {day_text(monday_of(week))}"


def day_text(day: date) -> str:
    """A day: "March 30, 2026"."""
    return f"{_MONTHS[day.month - 1]} {day.day}, {day.year}"


_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def count_text(count: int, noun: str) -> str:
    """A count with its noun: "1 estimate", "1,200 estimates"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _whole(size: Decimal) -> Decimal:
    return size.quantize(Decimal(1), ROUND_HALF_UP)


def _average(size: Decimal) -> str:
    """One decimal, or as many as tell it from zero."""
    decimals = 1 if size == 0 else max(1, -size.adjusted())
    rounded = size.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)
    return f"{rounded:,f}".rstrip("0").removesuffix(".")
