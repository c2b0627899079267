"""Server CPU of a page's first view with 1,000 runs in the ledger, next to the same with 100,000.

Two servers, one browser, in turn; the figure is each serving process's own CPU time by the kernel's count.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from subprocess import DEVNULL

from playwright.sync_api import Browser, sync_playwright

from bench.rerun import CHROMIUM, Contender, cpu, press, serve, settle
from bench.table import quantiles, show
from secondlook.stores.sqlite import SqliteStore

ROUNDS = 7
SIZES = (1_000, 100_000)
VIEWS = ("", "runs", "runs?failures=1", "runs?differs=1&since=2026-01-01", "usage", "snapshots")
REJECTED = '{"code":"answer_rejected","message":"No","hint":"","reason":"mismatch","path":"meta"}'
PAGES = Path(__file__).parent.parent / "pages"


def main() -> None:
    """Print milliseconds of CPU a first view."""
    views = [view for view in VIEWS if not view or (PAGES / f"{view.partition('?')[0]}.py").exists()]
    with tempfile.TemporaryDirectory() as name:
        servers: list[Contender] = []
        try:
            for size in SIZES:
                folder = Path(name) / str(size)
                folder.mkdir()
                fill(folder, size)
                servers.append(serve(folder, f"{size:,} runs", ["secondlook", "serve"], press))
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=CHROMIUM, args=["--no-sandbox", "--headless=new"]
                )
                rows = [line(browser, servers, view) for view in views]
                browser.close()
        finally:
            for server in servers:
                server.process.terminate()
                server.process.wait()
    header = ["server CPU of a first view, in ms", *(server.name for server in servers), "ratio"]
    show(header, rows)


def line(browser: Browser, servers: list[Contender], view: str) -> list[str]:
    """The medians of one view."""
    samples: list[list[float]] = [[] for _ in servers]
    for turn in range(ROUNDS + 2):
        for server, taken in zip(servers, samples, strict=True):
            page = browser.new_page()
            before = cpu(server.process.pid)
            page.goto(f"{server.url}/{view}")
            settle(page)
            if turn >= 2:
                taken.append(cpu(server.process.pid) - before)
            page.close()
    few, many = (quantiles(taken)[1] for taken in samples)
    return [f"/{view}", f"{few:.1f}", f"{many:.1f}", f"{many / few:.2f}"]


def fill(folder: Path, size: int) -> None:
    """A ledger of so many runs of 90 days, made from one that really ran."""
    SqliteStore(folder / "store.db").close()
    with closing(sqlite3.connect(folder / "store.db")) as connection:
        (source,) = connection.execute("select id from sources where status = 'bucketed' limit 1").fetchone()
    env = {**os.environ, "SECONDLOOK_DATA_DIR": str(folder), "PYTHONPATH": str(Path(__file__).parent.parent)}
    env["SECONDLOOK_AGENT"] = "offline"
    command = [sys.executable, "-m", "secondlook", "snapshot", source]
    subprocess.run(command, cwd=folder, env=env, check=True, stdout=DEVNULL, stderr=DEVNULL)
    with closing(sqlite3.connect(folder / "ledger.db")) as connection, connection:
        copy(connection, "runs", size)
        copy(connection, "calls", size)
        connection.execute(
            "update runs set status = 'failed', error_code = 'answer_rejected', error = ? "
            "where number % 20 = 0",
            (REJECTED,),
        )


def copy(connection: sqlite3.Connection, table: str, size: int) -> None:
    """Copies of the one row under other ids, a quarter of an hour apart or closer."""
    columns: list[str] = [row[1] for row in connection.execute(f"pragma table_info({table})")]
    made = {
        "run_id": "printf('%08x-0000-4000-8000-000000000000', n)",
        "number": "n" if table == "runs" else "number",
        "source_id": "printf('%08x-0000-4000-8000-00000000000f', n % 500)",
        "created_at": f"created_at - n * 7776000.0 / {size}",
        "sent_at": f"sent_at - n * 7776000.0 / {size}",
    }
    taken = ", ".join(made.get(column, column) for column in columns)
    connection.execute(
        "with recursive counted(n) as (select 2 union all select n + 1 from counted where n < ?) "  # noqa: S608 -- the table's own columns
        f"insert into {table} select {taken} from counted, (select * from {table} limit 1)",
        (size,),
    )
