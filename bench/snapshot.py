"""One snapshot on the embedded store next to a bare SDK call of the same request, turn by turn.

The model's own time is nearly nothing here: a local server answers at once from memory.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import openai

from bench.provider import start
from bench.table import quantiles, show
from secondlook import run_snapshot
from secondlook.access import Access
from secondlook.runner import Runner
from secondlook.wiring import connect

SOURCE = "4bb9bd05-cd46-52e5-8032-8c5993b8c91a"
USER = "a0000000-0000-4000-8000-000000000001"
RUNS = 200


def main() -> None:
    """Print milliseconds and the ratio to the bare call."""
    process, base_url = start()
    try:
        with tempfile.TemporaryDirectory() as folder:
            os.environ.update(
                SECONDLOOK_DATA_DIR=folder,
                SECONDLOOK_AGENT="openai",
                OPENAI_API_KEY="sk-local",
                OPENAI_BASE_URL=base_url,
            )
            compare(base_url)
    finally:
        process.terminate()
        process.wait()


def compare(base_url: str) -> None:
    """Run the bare call, the runner and run_snapshot in turn."""
    wiring = connect()
    runner = Runner(wiring)
    made = run_snapshot(source_id=SOURCE, user_id=USER, regenerate=True)
    request: Any = wiring.ledger.get(made.run_id).request
    create: Any = openai.OpenAI(api_key="sk-local", base_url=base_url, max_retries=0).chat.completions.create

    def with_runner() -> None:
        runner.carry(runner.submit(SOURCE, Access(USER), regenerate=True).run_id)

    contenders: dict[str, Callable[[], object]] = {
        "bare chat.completions.create": partial(create, **request),
        "one snapshot (page, command line)": with_runner,
        "run_snapshot (reads the settings too)": lambda: run_snapshot(
            source_id=SOURCE, user_id=USER, regenerate=True
        ),
    }
    samples: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(RUNS + 10):
        for name, call in contenders.items():
            started = time.perf_counter()
            call()
            if turn >= 10:
                samples[name].append((time.perf_counter() - started) * 1000)
    bare = quantiles(samples["bare chat.completions.create"])[1]
    rows: list[list[str]] = []
    for name, taken in samples.items():
        least, median, p95 = quantiles(taken)
        rows.append(
            [
                name,
                f"{least:.1f}",
                f"{median:.1f}",
                f"{p95:.1f}",
                f"{median / bare:.1f}",
                f"{median - bare:.1f}",
            ]
        )
    show(["what, in ms", "min", "median", "p95", "x bare", "above bare"], rows)
