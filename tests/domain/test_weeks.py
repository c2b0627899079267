"""ISO weeks and the days they begin on."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondlook.domain.weeks import monday_of, week_of


@pytest.mark.parametrize(
    ("week", "monday"), [("2026-W01", date(2025, 12, 29)), ("2026-W53", date(2026, 12, 28))]
)
def test_a_weeks_monday(week: str, monday: date) -> None:
    """A year's first week may begin in the year before; a long year has 53."""
    assert monday_of(week) == monday
    assert week_of(monday) == week_of(monday + timedelta(days=6)) == week


@given(st.dates(date(1, 1, 1), date(9999, 12, 26)))
def test_every_day_lies_in_its_week(day: date) -> None:
    """The Monday of a day's week is the last one before it, or the day itself."""
    assert monday_of(week_of(day)) == day - timedelta(days=day.weekday())


@pytest.mark.parametrize(
    "week",
    [
        *("", "2026-W1", "2026-w01", "2026W01", "26-W01", " 2026-W01", "2026-W01\n", "2026-W01-1"),
        "\uff12026-W01",
    ],
    ids=ascii,
)
def test_what_is_not_written_as_a_week(week: str) -> None:
    """Only ASCII digits in the one way to write it."""
    with pytest.raises(ValueError, match="YYYY-Www"):
        monday_of(week)


@pytest.mark.parametrize("week", ["2025-W53", "2026-W00", "2026-W54", "0000-W01"])
def test_a_week_that_its_year_does_not_have(week: str) -> None:
    """Well written is not enough."""
    with pytest.raises(ValueError, match=r"[Ww]eek|[Yy]ear"):
        monday_of(week)
