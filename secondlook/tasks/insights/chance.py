"""Exact tests and intervals for counts. Pure, from the standard library alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import exp, lgamma, log, log1p, sqrt
from statistics import NormalDist

ALPHA = 0.05

_NEGLIGIBLE = 1e-17
_EQUAL = 1 + 1e-7
"""Probabilities this close are equal: they come from logarithms."""


def two_sided_half(first: int, second: int) -> float:
    """The p value of the exact two-sided binomial test that both counts have the same chance."""
    if first == second:
        return 1.0
    n, k = first + second, min(first, second)
    tail = exp(_log_choose(n, k) - n * log(2)) * _walk(k, 0, lambda i: i / (n - i + 1))
    return min(1.0, 2 * tail)


def upper_tail(count: int, n: int, chance: float) -> float:
    """The chance of at least `count` of n where each has this chance; 1 where count is not above the mean."""
    if count <= n * chance:
        return 1.0
    if chance <= 0:
        return 0.0
    first = _log_choose(n, count) + count * log(chance) + (n - count) * log1p(-chance)
    odds = chance / (1 - chance)
    return min(1.0, exp(first) * _walk(count, n, lambda i: (n - i) / (i + 1) * odds))


def fisher(first: int, first_of: int, second: int, second_of: int) -> float:
    """The p value of Fisher's exact two-sided test that two parts of two wholes have the same share."""
    hits, everything = first + second, first_of + second_of
    least, most = max(0, hits - second_of), min(first_of, hits)

    def log_chance(k: int) -> float:
        return _log_choose(first_of, k) + _log_choose(second_of, hits - k) - _log_choose(everything, hits)

    def more(k: int) -> float:
        return (first_of - k) * (hits - k) / ((k + 1) * (second_of - hits + k + 1))

    def fewer(k: int) -> float:
        return k * (second_of - hits + k) / ((first_of - k + 1) * (hits - k + 1))

    def tail(k: int, end: int) -> float:
        return exp(log_chance(k)) * _walk(k, end, more if end == most else fewer)

    mode = min(most, max(least, (hits + 1) * (first_of + 1) // (everything + 2)))
    limit = log_chance(first) + log(_EQUAL)
    if log_chance(mode) <= limit:
        return 1.0
    own, other = (least, most) if first < mode else (most, least)
    p, start = tail(first, own), _first_below(log_chance, limit, mode, other)
    return min(1.0, p if start is None else p + tail(start, other))


def wilson(count: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's interval of a share, from 0 to 1."""
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    part, spread = count / n, z * z / n
    middle = (part + spread / 2) / (1 + spread)
    half = z * sqrt(part * (1 - part) / n + spread / (4 * n)) / (1 + spread)
    return (0.0 if count == 0 else middle - half, 1.0 if count == n else middle + half)


def holm(p_values: Sequence[float], alpha: float = ALPHA) -> list[bool]:
    """Which of the tests are significant together (Holm's correction), in their order."""
    found = [False] * len(p_values)
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        if p_values[index] > alpha / (len(p_values) - rank):
            break
        found[index] = True
    return found


def _log_choose(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)


def _walk(start: int, end: int, ratio: Callable[[int], float]) -> float:
    """The sum of falling terms from start to end, the first of which is 1."""
    step = 1 if end > start else -1
    total = term = 1.0
    for index in range(start, end, step):
        term *= ratio(index)
        total += term
        if term < total * _NEGLIGIBLE:
            break
    return total


def _first_below(chance: Callable[[int], float], limit: float, start: int, end: int) -> int | None:
    """The place nearest to start where falling values are at most the limit; None where there is none."""
    if chance(end) > limit:
        return None
    above, below = start, end
    while abs(above - below) > 1:
        middle = (above + below) // 2
        above, below = (above, middle) if chance(middle) <= limit else (middle, below)
    return below
