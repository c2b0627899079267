"""How long a page takes that somebody opens for the first time: a new profile and an empty cache each time.

From the beginning of the navigation until the page is drawn: the script has run, and the title and what the
page is for (the table of sources; the button) can be seen.
"""

from __future__ import annotations

import math
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

from playwright.sync_api import BrowserType, sync_playwright
from playwright.sync_api import TimeoutError as NotDrawn

from bench.line import Goal, Line, compared, not_measured
from bench.served import TRIVIAL_NAME, full_dashboard, trivial

TURNS = 9
GOAL = Goal("≤", 1.5)
WHAT = "first load, fresh profile: Sources"

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
OPTIONS = ["--no-sandbox", "--headless=new", "--disable-background-networking", "--no-first-run"]
MISSING = "no Chromium (Debian: `apt-get install chromium`)"

_IDLE = '[data-testid=stApp][data-test-connection-state="CONNECTED"][data-test-script-state="notRunning"]'
_OURS = ("h1:has-text('Sources')", "[data-testid=stDataFrame] canvas")
_THEIRS = ("h1:has-text('Title')", "button:has-text('Button')")


def lines() -> Iterator[Line]:
    """Milliseconds, and the bytes that came over the network."""
    if CHROMIUM is None:
        yield not_measured(WHAT, TRIVIAL_NAME, GOAL, MISSING)
        return
    mine: list[tuple[float, float]] = []
    other: list[tuple[float, float]] = []
    with full_dashboard() as ours, trivial() as theirs, sync_playwright() as playwright:
        for turn in range(TURNS + 1):
            for served, seen, samples in ((ours, _OURS, mine), (theirs, _THEIRS, other)):
                taken = _open(playwright.chromium, served.url, seen)
                if turn:
                    samples.append(taken)
    for what, number, unit, goal in ((WHAT, 0, "ms", GOAL), (f"{WHAT}, bytes transferred", 1, "MB", None)):
        medians = (statistics.median(taken[number] for taken in samples) for samples in (mine, other))
        yield compared(what, TRIVIAL_NAME, next(medians), next(medians), unit, goal)


def _open(chromium: BrowserType, url: str, seen: tuple[str, ...]) -> tuple[float, float]:
    """Milliseconds until the page is drawn, endless where it is not, and MB."""
    sizes: list[float] = []

    def note(event: dict[str, float]) -> None:
        sizes.append(event["encodedDataLength"])

    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile,
        chromium.launch_persistent_context(profile, executable_path=CHROMIUM, args=OPTIONS) as context,
    ):
        page = context.pages[0]
        network: Any = context.new_cdp_session(page)
        network.on("Network.loadingFinished", note)
        network.send("Network.enable")
        began = time.perf_counter()
        page.goto(url, wait_until="commit")
        try:
            for selector in (_IDLE, *seen):
                page.wait_for_selector(selector)
            taken = (time.perf_counter() - began) * 1000
        except NotDrawn as error:
            print(f"  {url}: {error.message}", file=sys.stderr)
            taken = math.inf
    return taken, sum(sizes) / 1e6
