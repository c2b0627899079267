"""Tests and intervals equal scipy's, and exact fractions where those can be counted."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondlook.tasks.insights.chance import fisher, holm, two_sided_half, upper_tail, wilson
from tests.tasks.insights import oracle

_small = st.integers(0, 60)
_count = st.one_of(_small, st.integers(0, 20_000))
_tables = st.one_of(
    st.tuples(_small, _small, _small, _small), st.tuples(*[st.integers(0, 5_000)] * 4)
).filter(lambda cells: cells[0] + cells[1] > 0 and cells[2] + cells[3] > 0)


def close(value: float) -> object:
    """Equal but for rounding."""
    return pytest.approx(value, rel=1e-6, abs=1e-300)


@given(_count, _count)
def test_the_binomial_test_is_scipys(first: int, second: int) -> None:
    """The p value of two equal chances, up to 40,000 estimates."""
    expected = 1.0 if first + second == 0 else oracle.binomial(first, first + second)
    assert two_sided_half(first, second) == close(expected)


@given(_small, _small)
def test_the_binomial_test_is_exact(first: int, second: int) -> None:
    """The same, counted in fractions."""
    n = first + second
    at_most = sum(comb(n, k) for k in range(min(first, second) + 1))
    expected = min(Fraction(1), Fraction(2 * at_most, 2**n))
    assert two_sided_half(first, second) == close(float(expected))


@given(_tables)
def test_fishers_test_is_scipys(cells: tuple[int, int, int, int]) -> None:
    """The two-sided p value of two shares, up to 20,000 estimates."""
    a, b, c, d = cells
    assert fisher(a, a + b, c, c + d) == close(oracle.fisher([[a, b], [c, d]]))


@given(st.tuples(_small, _small, _small, _small))
def test_fishers_test_is_exact(cells: tuple[int, int, int, int]) -> None:
    """The same, counted in fractions: every table that is at most as likely."""
    a, b, c, d = cells
    ways = {k: comb(a + b, k) * comb(c + d, a + c - k) for k in range(max(0, a - d), min(a + b, a + c) + 1)}
    expected = Fraction(sum(way for way in ways.values() if way <= ways[a]), sum(ways.values()))
    assert fisher(a, a + b, c, c + d) == close(float(expected))


@given(_count, _count, st.sampled_from([0.9, 0.95]))
def test_wilsons_interval_is_scipys(count: int, rest: int, confidence: float) -> None:
    """Both ends, and exactly 0 and 1 where nothing and everything counts."""
    n = count + rest + 1
    expected = oracle.wilson(count, n, confidence)
    assert wilson(count, n, confidence) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@given(_small, _small, st.sampled_from([0.0, 0.02, 0.25, 0.5, 0.9]))
def test_the_upper_tail_is_scipys(count: int, rest: int, chance: float) -> None:
    """The one-sided p value, where more came than was to be expected."""
    n = count + rest
    expected = 1.0 if count <= n * chance else oracle.at_least(count, n, chance)
    assert upper_tail(count, n, chance) == close(expected)


@pytest.mark.parametrize(
    ("p_values", "expected"),
    [
        ([], []),
        ([0.05], [True]),
        ([0.051], [False]),
        ([0.025, 0.05], [True, True]),
        ([0.05, 0.026], [False, False]),
        ([0.04, 0.01, 0.03], [False, True, False]),
        ([1.0, 0.016, 0.02], [False, True, True]),
        ([0.0, 0.0], [True, True]),
    ],
)
def test_tests_are_corrected_together(p_values: list[float], expected: list[bool]) -> None:
    """Holm: the smallest against alpha over all, the next against one fewer, until one does not hold."""
    assert holm(p_values) == expected


def test_the_largest_counts_take_no_time() -> None:
    """Counts up to the limit of a bucket are tested as well."""
    assert two_sided_half(4 * 2**31, 4 * 2**31 - 100_000) == pytest.approx(0.445, abs=0.001)
    assert fisher(2**31, 2**32, 2**31 - 50_000, 2**32) == pytest.approx(0.2807, abs=0.001)
