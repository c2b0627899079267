"""How it is measured: a process's CPU time and memory by the kernel's count, and figures of many samples."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path


def cpu(pid: int) -> float:
    """A process's CPU time so far, in milliseconds, threads that have ended included (Linux)."""
    return time.clock_gettime((~pid << 3) | 2) * 1000  # the kernel's MAKE_PROCESS_CPUCLOCK


def resident(pid: int) -> float:
    """A process's memory that is not swapped out, in MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 1e6


def quantiles(samples: Sequence[float]) -> tuple[float, float, float]:
    """Minimum, median and 95th percentile."""
    ordered = sorted(samples)
    return ordered[0], statistics.median(ordered), ordered[int(0.95 * (len(ordered) - 1))]


def machine() -> str:
    """Processor, cores, Python and the day."""
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    processor = names[0] if names else platform.machine()
    day = datetime.now(UTC).date().isoformat()
    return f"{processor}, {os.cpu_count()} cores, Python {platform.python_version()}, {day}"
