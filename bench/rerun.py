"""Server CPU of a rerun of each page, next to a page of a title and a button, click by click in turn.

The figure is the serving process's own CPU time by the kernel's count, with all that follows a run, until the
server rests: who clicks takes none of it.
"""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Iterator

from bench.clicks import PAGES, Page, press
from bench.line import Goal, Line, compared
from bench.measure import cpu
from bench.served import TRIVIAL_NAME, Served, full_dashboard, trivial
from bench.session import session

TURNS = 24
WARM_UP = 4
GOAL = Goal("≤", 1)

_REST_SECONDS = 0.06
_REST_MS = 0.6
_LOOKS = 20


def lines() -> Iterator[Line]:
    """A line for each page."""
    with full_dashboard() as ours, trivial() as theirs:
        for page in PAGES:
            taken = asyncio.run(_in_turn(page, ours, theirs))
            mine, other = (statistics.median(each) for each in taken)
            yield compared(f"rerun, server CPU: {page.name}", TRIVIAL_NAME, mine, other, "ms", GOAL)


async def _in_turn(page: Page, ours: Served, theirs: Served) -> tuple[list[float], list[float]]:
    """CPU of each click on ours, and of each on the trivial page."""
    taken: tuple[list[float], list[float]] = ([], [])
    async with session(ours.url, page.page, page.query) as tab, session(theirs.url) as other:
        for turn in range(TURNS + WARM_UP):
            for samples, served, opened, click in (
                (taken[0], ours, tab, page.click),
                (taken[1], theirs, other, press),
            ):
                before = await rested(served)
                click(opened, turn)
                await opened.run()
                after = await rested(served)
                if turn >= WARM_UP:
                    samples.append(after - before)
    return taken


async def rested(served: Served) -> float:
    """CPU so far, once next to nothing is added any more."""
    used = cpu(served.pid)
    for _ in range(_LOOKS):
        await asyncio.sleep(_REST_SECONDS)
        before, used = used, cpu(served.pid)
        if used - before < _REST_MS:
            break
    return used
