"""What a fact is: one finding about a snapshot, with the numbers that back every word about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

Direction = Literal["up", "down"]

Value: TypeAlias = int | float | str | None
"""A value as JSON has it: shares are exact, 0 to 1; weeks and bands are written as in the buckets."""

WEEKS_PATH = "demand.weekly_volume"
PRICE_PATH = "demand.price_distribution"
LATENCY_PATH = "decision_latency.distribution"
"""Where a result holds its lists."""


def count_path(path: str, index: int) -> str:
    """The path of a count in one of the lists."""
    return f"{path}[{index}].count"


@dataclass(frozen=True)
class Fact:
    """One finding of the closed list.

    Attributes:
        id: Which finding.
        values: Its values by their names, in a fixed order.
        direction: Whether it went up or down; None where it has no direction.
        clear: Whether its test rules out chance, with all tests of the snapshot corrected together.
        p: The p value of its test, not corrected; None where it has no test.
        cells: Paths in the result of the counts that it is about.
        sentence: The finding in words.
    """

    id: str
    values: Mapping[str, Value]
    direction: Direction | None
    clear: bool
    p: float | None
    cells: tuple[str, ...]
    sentence: str
