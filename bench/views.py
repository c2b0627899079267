"""Server CPU of a page's first view with 1,000 runs in the ledger, next to the same with 100,000, in turn."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
from contextlib import ExitStack
from pathlib import Path

from bench.filled import fill_runs
from bench.rerun import rested
from bench.served import Served, dashboard
from bench.session import session
from bench.table import show

TURNS = 7
WARM_UP = 2
SIZES = (1_000, 100_000)
VIEWS = ("", "runs", "runs?failures=1", "runs?differs=1&since=2026-01-01", "usage", "snapshots")


def main() -> None:
    """Print milliseconds of CPU a first view."""
    with ExitStack() as stack:
        name = stack.enter_context(tempfile.TemporaryDirectory())
        servers: list[Served] = []
        for size in SIZES:
            folder = Path(name) / str(size)
            folder.mkdir()
            fill_runs(folder, size, sources=500)
            servers.append(stack.enter_context(dashboard(folder)))
        rows = [asyncio.run(_row(servers, view)) for view in VIEWS]
    show(["server CPU of a first view, in ms", *(f"{size:,} runs" for size in SIZES), "ratio"], rows)


async def _row(servers: list[Served], view: str) -> list[str]:
    """The medians of one view."""
    page, _, query = view.partition("?")
    samples: list[list[float]] = [[] for _ in servers]
    for turn in range(TURNS + WARM_UP):
        for served, taken in zip(servers, samples, strict=True):
            before = await rested(served)
            async with session(served.url, page, query):
                used = await rested(served) - before
            if turn >= WARM_UP:
                taken.append(used)
    few, many = (statistics.median(taken) for taken in samples)
    return [f"/{view}", f"{few:.1f}", f"{many:.1f}", f"{many / few:.2f}"]
