"""Server CPU of a rerun: the Sources page with 10,000 sources next to a page of a title and a button.

Both are driven by one browser, in turn; the figure is the serving process's own CPU time by the kernel's
count, so what the browser takes does not matter.
"""

from __future__ import annotations

import os
import socket
import sqlite3
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import DEVNULL, Popen

from playwright.sync_api import Page, sync_playwright

from bench.table import quantiles, show
from secondlook.stores.samples import SAMPLE_USERS
from secondlook.stores.sqlite import SqliteStore

ROUNDS = 40
CHROMIUM = "/usr/bin/chromium"
TRIVIAL = 'import streamlit as st\n\nst.title("Title")\nst.button("Button")\n'


@dataclass
class Contender:
    """A served page and what makes it run again."""

    name: str
    process: Popen[bytes]
    url: str
    again: Callable[[Page, int], None]
    samples: list[float] = field(default_factory=list[float])


def main() -> None:
    """Print milliseconds of CPU a rerun."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fill(folder)
        (folder / "trivial.py").write_text(TRIVIAL)
        contenders = [
            serve(folder, "title and button, streamlit run", ["streamlit", "run", "trivial.py"], press),
            serve(folder, "Sources, another source chosen", ["secondlook", "serve"], choose_row),
            serve(folder, "Sources, same source, a switch", ["secondlook", "serve"], toggle_numbers),
        ]
        try:
            measure(contenders)
        finally:
            for contender in contenders:
                contender.process.terminate()
                contender.process.wait()
    trivial = quantiles(contenders[0].samples)[1]
    rows: list[list[str]] = []
    for contender in contenders:
        least, median, p95 = quantiles(contender.samples)
        mean = sum(contender.samples) / len(contender.samples)
        rows.append(
            [
                contender.name,
                f"{least:.1f}",
                f"{median:.1f}",
                f"{p95:.1f}",
                f"{mean:.1f}",
                f"{median / trivial:.2f}",
            ]
        )
    show(["server CPU of a rerun, in ms", "min", "median", "p95", "mean", "x trivial"], rows)


def fill(folder: Path, sources: int = 10_000) -> None:
    """A store of so many sources, and the samples."""
    path = folder / "store.db"
    SqliteStore(path).close()
    user = next(iter(SAMPLE_USERS))
    with closing(sqlite3.connect(path)) as connection, connection:
        columns = [row[1] for row in connection.execute("pragma table_info(estimate_buckets)")][2:]
        taken = connection.execute(f"select {', '.join(columns)} from estimate_buckets limit 1").fetchone()  # noqa: S608 -- the table's own columns
        for number in range(sources):
            source = f"{number:08x}-0000-4000-8000-000000000000"
            connection.execute(
                "insert into sources values (?, ?, 'csv', ?, '2026-01-05T08:00:00Z', 'bucketed')",
                (source, user, f"Bulk {number:05d}"),
            )
            marks = ", ".join("?" * (len(columns) + 2))
            connection.execute(
                f"insert into estimate_buckets values ({marks})",  # noqa: S608 -- question marks
                (f"b{number}", source, *taken),
            )


def serve(folder: Path, name: str, command: list[str], again: Callable[[Page, int], None]) -> Contender:
    """Start a server and wait until it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    flag = "--server.port" if command[0] == "streamlit" else "--port"
    headless = ["--server.headless", "true"] if command[0] == "streamlit" else []
    root = Path(__file__).parent.parent
    process = Popen(
        [sys.executable, "-m", *command, flag, str(port), *headless],
        cwd=folder,
        env={**os.environ, "SECONDLOOK_DATA_DIR": str(folder), "PYTHONPATH": str(root)},
        stdout=DEVNULL,
        stderr=DEVNULL,
    )
    url = f"http://localhost:{port}"
    for _ in range(200):
        with suppress(OSError), urllib.request.urlopen(f"{url}/_stcore/health") as answer:  # noqa: S310 -- our own
            if answer.status == 200:
                break
        time.sleep(0.2)
    return Contender(name, process, url, again)


def measure(contenders: list[Contender]) -> None:
    """Run them again in turn, and note the CPU time of each."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--headless=new"]
        )
        pages = {contender.name: browser.new_page() for contender in contenders}
        for contender in contenders:
            page = pages[contender.name]
            page.goto(contender.url)
            settle(page)
            if contender.again is not press:
                choose_row(page, 0)
                settle(page)
        for turn in range(ROUNDS + 5):
            for contender in contenders:
                before = cpu(contender.process.pid)
                contender.again(pages[contender.name], turn)
                settle(pages[contender.name])
                if turn >= 5:
                    contender.samples.append(cpu(contender.process.pid) - before)
        browser.close()


def settle(page: Page) -> None:
    """Wait until the page has run, and what follows a run has passed."""
    page.wait_for_timeout(150)
    app = '[data-testid=stApp][data-test-connection-state="CONNECTED"]'
    page.wait_for_selector(f'{app}[data-test-script-state="notRunning"]')
    page.wait_for_timeout(250)


def press(page: Page, _turn: int) -> None:
    """Press the trivial page's button."""
    page.get_by_role("button", name="Button").click()


def choose_row(page: Page, turn: int) -> None:
    """Choose one of two sources."""
    table = page.get_by_test_id("stDataFrame").first
    table.locator("canvas").first.wait_for()
    box = table.bounding_box()
    assert box is not None  # noqa: S101 -- it is on the page
    page.mouse.click(box["x"] + 12, box["y"] + 35 * (1 + turn % 2) + 17)


def toggle_numbers(page: Page, _turn: int) -> None:
    """Open or close a chart's numbers."""
    page.get_by_text("Numbers").nth(1).click()


def cpu(pid: int) -> float:
    """A process's CPU time so far, in milliseconds, threads that have ended included (Linux)."""
    return time.clock_gettime((~pid << 3) | 2) * 1000  # the kernel's MAKE_PROCESS_CPUCLOCK
