"""The figures of Usage on ledgers of 1,000 and of 100,000 runs: what the page reads at its first view.

Once over as many days as there are, a year's; once all within the 30 days that are looked at. As after
something has changed in the ledger: what the page remembers of its last look is not used.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from bench.measure import quantiles
from bench.table import show
from secondlook.ledger.database import ledger_database
from secondlook.ledger.usage import UsageLog, UsageQuery
from tests.mixed_runs import insert, mixed

ROUNDS = 15
SIZES = (1_000, 100_000)
SPREADS = {"over a year": 365, "all within the 30 days": 29}


def main() -> None:
    """Print milliseconds of CPU."""
    rows: list[list[str]] = []
    for spread, days in SPREADS.items():
        medians: list[float] = []
        for size in SIZES:
            with tempfile.TemporaryDirectory() as folder:
                samples = measure(Path(folder) / "ledger.db", size, days)
            least, median, p95 = quantiles(samples)
            medians.append(median)
            above = f"{median - medians[0]:.1f}"
            rows.append([f"{size:,} runs, {spread}", f"{least:.1f}", f"{median:.1f}", f"{p95:.1f}", above])
    show(["CPU of the report by day, in ms", "min", "median", "p95", "above 1,000"], rows)


def measure(path: Path, size: int, days: int) -> list[float]:
    """Milliseconds of CPU of each report of the last 30 days by day."""
    insert(path, mixed(size, days=days, until=time.time(), sources=size // 10))
    database = ledger_database(path)
    samples: list[float] = []
    for _ in range(ROUNDS):
        started = time.process_time()
        usage = UsageLog(database)  # another one remembers nothing
        usage.report(UsageQuery(*usage.period()))
        samples.append((time.process_time() - started) * 1000)
    database.close()
    return samples[1:]
