"""The server's memory while 100 sessions click for ten minutes, and what a session takes of it.

The sessions are spread over all pages; each clicks, waits for its page, thinks for some seconds, and clicks
again. Growth is the median of the last tenth of the time by that of the second, the first being left out: a
session's first reruns fill what it keeps. Up to 3 % is none: the allocator gives pages back in pieces, so
that two medians of the same server differ by one or two.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

from bench.clicks import PAGES, Page
from bench.line import Goal, Line, measured
from bench.measure import resident
from bench.served import Served, full_dashboard
from bench.session import Session, session

SESSIONS = 100
MINUTES = 10.0
THINK_SECONDS = (2.0, 8.0)
LOOKS = 60
"""How often memory is looked at in all: each ten seconds of ten minutes."""

GROWTH = Goal("≤", 1.03)


def lines(minutes: float = MINUTES) -> Iterator[Line]:
    """Growth, and MB a session.

    Args:
        minutes: How long they click.
    """
    with full_dashboard() as served:
        before, looks, people = asyncio.run(_watch(served, minutes * 60))
    tenth = LOOKS // 10
    second, last = (statistics.median(part) for part in (looks[tenth : 2 * tenth], looks[-tenth:]))
    clicks, lost = sum(person.clicks for person in people), sum(person.tab.lost for person in people)
    conditions = (
        f"{SESSIONS} sessions click for {minutes:g} minutes on all pages: {clicks:,} clicks, {lost:,} lost"
    )
    ours = f"{before:.0f} MB alone, {second:.0f} MB in the second tenth, {last:.0f} MB in the last"
    yield measured(
        "memory, last tenth of the time by the second", conditions, ours, last / second, "x", GROWTH
    )
    yield measured("memory a session", conditions, ours, (last - before) / SESSIONS, "MB")


async def _watch(served: Served, seconds: float) -> tuple[float, list[float], list[_Person]]:
    """MB before the sessions, MB again and again while they click, and who clicked."""
    for page in PAGES:  # what the first visitor of each page loads is no session's
        async with session(served.url, page.page, page.query):
            pass
    before = resident(served.pid)
    async with AsyncExitStack() as stack:
        people: list[_Person] = []
        for number in range(SESSIONS):
            page = PAGES[number % len(PAGES)]
            tab = await stack.enter_async_context(session(served.url, page.page, page.query))
            people.append(_Person(page, tab, random.Random(number)))  # noqa: S311 -- nothing secret
        async with asyncio.TaskGroup() as clicking:
            tasks = [clicking.create_task(person.click()) for person in people]
            looks: list[float] = []
            began = time.monotonic()
            for number in range(1, LOOKS + 1):
                await asyncio.sleep(began + number * seconds / LOOKS - time.monotonic())
                looks.append(resident(served.pid))
                print(f"  {number}/{LOOKS}: {looks[-1]:.0f} MB", file=sys.stderr, flush=True)
            for task in tasks:
                task.cancel()
    return before, looks, people


@dataclass
class _Person:
    """Somebody on a page."""

    page: Page
    tab: Session
    chance: random.Random
    clicks: int = 0

    async def click(self) -> None:
        """Click, think, click."""
        while True:
            await asyncio.sleep(self.chance.uniform(*THINK_SECONDS))
            self.page.click(self.tab, self.clicks)
            await self.tab.run()
            self.clicks += 1
