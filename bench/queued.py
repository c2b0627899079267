"""What a long queue could slow on the embedded ledger: the next release and claim, and the page Batch."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from bench.filled import fill_sources
from bench.measure import quantiles
from bench.table import show
from secondlook.domain.access import Access
from secondlook.domain.runs import RunStatus
from secondlook.execution import batches
from secondlook.services import connect
from secondlook.stores.samples import PRACTICE_USERS

SIZES = (100, 10_000)
TURNS = 40


def main() -> None:
    """Print medians."""
    show(
        ["queued runs", "next release and claim, ms", "what the page Batch reads, ms"],
        [row(size) for size in SIZES],
    )


def row(number: int) -> list[str]:
    """Medians with so many runs queued."""
    user = PRACTICE_USERS[0]
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(SECONDLOOK_DATA_DIR=folder, SECONDLOOK_AGENT="offline")
        fill_sources(Path(folder), number)
        services = connect()
        batches.begin(services, Access(user), batches.Selection(), concurrency=1000)
        taken: list[float] = []
        read: list[float] = []
        for turn in range(1, TURNS + 1):
            began = time.perf_counter()
            (run_id,) = services.batches.release(turn)
            services.ledger.claim(run_id, "bench")
            taken.append((time.perf_counter() - began) * 1000)
            began = time.perf_counter()
            services.batches.list(user)
            services.batches.statuses(user)
            services.ledger.going_on(user)
            services.ledger.list(user, status=RunStatus.IN_DOUBT)
            read.append((time.perf_counter() - began) * 1000)
        services.close()
    return [f"{number:,}", f"{quantiles(taken)[1]:.1f}", f"{quantiles(read)[1]:.1f}"]
