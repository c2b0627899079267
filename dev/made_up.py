"""Makes the sources of a made-up contractor: `python -m dev.made_up` writes stores/made_up_sources.json.

Nothing in them is real. Each source is a line of work, with assumptions about its volume, its season, its
prices and how long customers take to decide. For each calendar week of a year the file has the buckets of the
estimates that were decided in it. An embedded store sums up the weeks before its first start, so the samples
are in season whenever that is.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from secondlook.domain.bucket_rules import LATENCY_COLUMNS, PRICE_COLUMNS
from secondlook.importing.bucketing import bucket

SEED = 14
FILE = Path(__file__).resolve().parent.parent / "secondlook" / "stores" / "made_up_sources.json"
YEAR = 2020
"""A year of 53 weeks; only the number of a week matters."""

_HOLIDAYS = {1: 0.3, 27: 0.6, 36: 0.7, 48: 0.6, 52: 0.2, 53: 0.2}
"""Weeks around holidays, in which less is decided."""

_WEEKDAYS = (0.26, 0.22, 0.2, 0.18, 0.1, 0.04, 0.0)
"""When in a week customers decide: mostly early, never on a Sunday."""


@dataclass(frozen=True)
class Work:
    """Assumptions about one line of work.

    Attributes:
        weekly: Estimates decided in an average week.
        peak: The calendar week of the most demand.
        swing: How much more than average the peak has; the trough has as much less.
        dollars: The median amount.
        spread: The standard deviation of the amount's logarithm.
        fast: The share that is decided within a few days.
        slow: The share that takes more than three weeks.
    """

    name: str
    source_type: str
    weekly: float
    peak: int
    swing: float
    dollars: float
    spread: float
    fast: float
    slow: float


WORKS = (
    Work("AC repairs (made up)", "housecall_pro", 9.0, 28, 0.8, 420, 0.6, 0.85, 0.02),
    Work("AC replacements (made up)", "housecall_pro", 3.2, 27, 0.7, 7_200, 0.4, 0.30, 0.25),
    Work("Basements (made up)", "csv", 0.45, 10, 0.2, 21_000, 0.5, 0.10, 0.55),
    Work("Bathrooms (made up)", "csv", 2.2, 9, 0.3, 9_500, 0.6, 0.15, 0.45),
    Work("Decks and porches (made up)", "csv", 2.6, 18, 0.7, 6_400, 0.7, 0.25, 0.30),
    Work("Furnace repairs (made up)", "housecall_pro", 7.5, 2, 0.8, 510, 0.6, 0.85, 0.02),
    Work("Gutters (made up)", "jobber", 5.5, 44, 0.6, 980, 0.5, 0.60, 0.06),
    Work("HVAC maintenance (made up)", "housecall_pro", 11.0, 16, 0.3, 210, 0.4, 0.90, 0.01),
    Work("Kitchens (made up)", "csv", 1.9, 8, 0.3, 26_000, 0.5, 0.08, 0.60),
    Work("Roof repairs (made up)", "jobber", 6.5, 20, 0.5, 1_150, 0.7, 0.70, 0.04),
    Work("Roof replacements (made up)", "jobber", 2.8, 24, 0.6, 13_500, 0.4, 0.20, 0.35),
    Work("Storm damage (made up)", "jobber", 4.0, 22, 0.9, 3_900, 0.9, 0.45, 0.12),
)


def weeks_of(work: Work, random: np.random.Generator) -> list[list[int]]:
    """For each calendar week, the counts of the price bands and of the latency bands."""
    return [_week(work, number, random) for number in range(1, 54)]


def _week(work: Work, number: int, random: np.random.Generator) -> list[int]:
    season = 1 + work.swing * math.cos(2 * math.pi * (number - work.peak) / 52)
    count = int(random.poisson(work.weekly * season * _HOLIDAYS.get(number, 1)))
    monday = datetime.fromisocalendar(YEAR, number, 1)
    days = random.choice(7, size=count, p=_WEEKDAYS)
    hours = random.uniform(8, 18, size=count)
    closed = [
        monday + timedelta(days=int(day), hours=float(hour)) for day, hour in zip(days, hours, strict=True)
    ]
    waits = [_wait(work, random) for _ in range(count)]
    cents = np.round(work.dollars * np.exp(random.normal(0, work.spread, size=count))) * 100
    columns = bucket(
        pd.DataFrame(
            {
                "created_at": _utc(
                    [when - timedelta(days=wait) for when, wait in zip(closed, waits, strict=True)]
                ),
                "closed_at": _utc(closed),
                "amount_cents": pd.Series(cents, dtype="int64"),
            }
        )
    ).row()
    return [int(str(columns[name])) for name in (*PRICE_COLUMNS, *LATENCY_COLUMNS)]


def _wait(work: Work, random: np.random.Generator) -> float:
    """Days until a customer decides."""
    kind = random.random()
    if kind < work.fast:
        return float(random.gamma(1.5, 1.4))
    if kind < 1 - work.slow:
        return float(random.uniform(4, 21))
    return float(22 + random.gamma(2.0, 8.0))


def _utc(moments: list[datetime]) -> pd.Series[pd.Timestamp]:
    return pd.Series(pd.to_datetime(moments, utc=True).astype("datetime64[us, UTC]"))


def main() -> None:
    """Write the file."""
    random = np.random.default_rng(SEED)
    made = [
        {"source_name": work.name, "source_type": work.source_type, "weeks": weeks_of(work, random)}
        for work in WORKS
    ]
    lines = ",\n".join(json.dumps(source, separators=(",", ":")) for source in made)
    FILE.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
