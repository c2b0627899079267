"""A file of ten million estimates of 100,000 sources: read, each row with a fate, and bucketed.

Ours reads, checks, looks for repeated estimates and buckets by source. pandas' own read of the file with
the same types reads alone. DuckDB and polars read and bucket by hand, and check nothing. Each runs in a
process of its own; the file is in the system's cache for all of them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from bench.environment import ROOT
from bench.table import show

ROWS = 10_000_000
SOURCES = 100_000
_PART = 500_000


def main() -> None:
    """Print a table of durations and peak memory."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "estimates.csv"
        write_estimates(path, ROWS, SOURCES)
        print(f"{ROWS:,} rows, {SOURCES:,} sources, {path.stat().st_size / 1e6:,.0f} MB\n", flush=True)
        rows = [measured(name, command(path)) for name, command in READERS.items()]
    base = rows[1][0]
    show(
        ("reader", "seconds", "of pandas' read", "peak MB"),
        [
            (name, "not installed: `make bench-rivals`", "", "")
            if seconds is None
            else (name, f"{seconds:.1f}", "" if base is None else f"{seconds / base:.2f}", f"{peak:,.0f}")
            for name, (seconds, peak) in zip(READERS, rows, strict=True)
        ],
    )


def write_estimates(path: Path, rows: int, sources: int) -> None:
    """Write a file of estimates with a fixed seed.

    Args:
        path: Where.
        rows: How many.
        sources: How many values the column `account` has.
    """
    import numpy as np
    import pandas as pd

    chance = np.random.default_rng(14)
    for start in range(0, rows, _PART):
        size = min(_PART, rows - start)
        created = np.datetime64("2024-09-02") + chance.integers(0, 700, size).astype("timedelta64[D]")
        closed = created + chance.integers(0, 40, size).astype("timedelta64[D]")
        part = pd.DataFrame(
            {
                "estimate_id": [f"E{number}" for number in range(start, start + size)],
                "created_at": created.astype(str),
                "closed_at": closed.astype(str),
                "amount": np.round(chance.lognormal(7, 1, size), 2),
                "status": chance.choice(["closed", "accepted", "lost"], size),
                "job_type": chance.choice(["Roof", "HVAC", "Remodel"], size),
                "account": [f"Account {number}" for number in chance.integers(0, sources, size)],
            }
        )
        part.to_csv(path, index=False, header=start == 0, mode="a")


def _ours(path: str) -> None:
    from secondlook.importing.estimates import Options
    from secondlook.importing.read import read_file

    reading = read_file(Path(path), Options(group_by="account"))
    counted = sum(sum(source.buckets.weeks.values()) for source in reading.sources)
    print(len(reading.sources), counted, reading.rows)


def _pandas(path: str, engine: Literal["c", "pyarrow"] = "c") -> None:
    import pandas as pd

    texts = dict.fromkeys(("estimate_id", "status", "job_type", "account"), "str")
    dates = ["created_at", "closed_at"]
    print(len(pd.read_csv(path, dtype={**texts, "amount": "float64"}, parse_dates=dates, engine=engine)))


def _rival(name: str) -> Callable[[Path], list[str]]:
    python = ROOT / ".venv" / "rivals" / name / "bin" / "python"
    return lambda path: [str(python), str(ROOT / "bench" / "rivals" / f"{name}_read.py"), str(path)]


def _here(name: str) -> Callable[[Path], list[str]]:
    return lambda path: [sys.executable, "-m", "bench.importing", name, str(path)]


READERS: dict[str, Callable[[Path], list[str]]] = {
    "read_file, by source": _here("ours"),
    "pandas.read_csv": _here("pandas"),
    "pandas.read_csv, engine pyarrow": _here("pyarrow"),
    "DuckDB by hand": _rival("duckdb"),
    "polars by hand": _rival("polars"),
}


def measured(name: str, command: list[str]) -> tuple[float | None, float]:
    """Seconds and peak MB of a command; None where it is not installed.

    Args:
        name: What is measured.
        command: The command.
    """
    if not Path(command[0]).exists():
        return None, 0
    began = time.monotonic()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.monotonic() - began
    if process.returncode:
        raise RuntimeError(f"{name} ended with {process.returncode}")
    peak = used.ru_maxrss / 1024
    print(json.dumps({"reader": name, "seconds": round(seconds, 1), "peak_mb": round(peak)}), file=sys.stderr)
    return seconds, peak


if __name__ == "__main__":
    if sys.argv[1] == "ours":
        _ours(sys.argv[2])
    else:
        _pandas(sys.argv[2], "pyarrow" if sys.argv[1] == "pyarrow" else "c")
