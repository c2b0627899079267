"""scipy's exact tests and intervals: the program does without it, so what it computes is held against it."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_stats: Any = import_module("scipy.stats")  # it has no types


def binomial(count: int, n: int) -> float:
    """The p value of the two-sided binomial test at 1/2."""
    return float(_stats.binomtest(count, n).pvalue)


def fisher(table: list[list[int]]) -> float:
    """The p value of Fisher's two-sided exact test."""
    return float(_stats.fisher_exact(table).pvalue)


def wilson(count: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Both ends of Wilson's interval, within 0 and 1."""
    interval = _stats.binomtest(count, n).proportion_ci(confidence, method="wilson")
    return max(0.0, float(interval.low)), min(1.0, float(interval.high))


def at_least(count: int, n: int, chance: float) -> float:
    """The chance of so many or more."""
    return float(_stats.binom.sf(count - 1, n, chance))
