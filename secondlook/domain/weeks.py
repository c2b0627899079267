"""ISO weeks as they are written here: `YYYY-Www`."""

from __future__ import annotations

import re
from datetime import date

_WEEK = re.compile(r"([0-9]{4})-W([0-9]{2})")


def monday_of(week: str) -> date:
    """The Monday of a week.

    Raises:
        ValueError: It is not written `YYYY-Www`, in ASCII digits, or its year has no such week.
    """
    match = _WEEK.fullmatch(week)
    if match is None:
        raise ValueError("not written YYYY-Www")
    return date.fromisocalendar(int(match[1]), int(match[2]), 1)


def week_of(day: date) -> str:
    """The week that a day lies in."""
    year, number, _ = day.isocalendar()
    return f"{year:04d}-W{number:02d}"
