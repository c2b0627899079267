"""Many sessions that click at the same moment: how long the slowest of them wait, next to the trivial page.

Each round everybody clicks at once, and the next begins when all have been answered. The sessions live in
this process and speak to the servers as browsers do, so what they take is not the servers'.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack

from bench.clicks import SOURCES, press
from bench.line import Goal, Line, compared
from bench.measure import quantiles
from bench.served import TRIVIAL_NAME, Served, full_dashboard, trivial
from bench.session import Click, session

SIZES = {20: 12, 100: 5}
"""Rounds of so many sessions, twice on each server."""

GOAL = Goal("≤", 1)


def lines() -> Iterator[Line]:
    """A line for each size of the crowd."""
    with full_dashboard() as ours, trivial() as theirs:
        for sessions, rounds in SIZES.items():
            mine: list[float] = []
            other: list[float] = []
            for _ in range(2):
                mine += asyncio.run(_clicks(ours, SOURCES.click, sessions, rounds))
                other += asyncio.run(_clicks(theirs, press, sessions, rounds))
            what = f"{sessions} sessions click at once, p95: {SOURCES.name}"
            yield compared(what, TRIVIAL_NAME, quantiles(mine)[2], quantiles(other)[2], "ms", GOAL)


async def _clicks(served: Served, click: Click, sessions: int, rounds: int) -> list[float]:
    """Milliseconds of each click, those of the first round left out."""
    samples: list[float] = []
    async with AsyncExitStack() as stack:
        tabs = [await stack.enter_async_context(session(served.url)) for _ in range(sessions)]
        for turn in range(rounds + 1):
            for tab in tabs:
                click(tab, turn)
            taken = await asyncio.gather(*(tab.run() for tab in tabs))
            if turn:
                samples += taken
    return samples
