"""What the benches share: figures of many runs, and a table."""

from __future__ import annotations

import statistics
from collections.abc import Sequence


def quantiles(samples: Sequence[float]) -> tuple[float, float, float]:
    """Minimum, median and 95th percentile."""
    ordered = sorted(samples)
    return ordered[0], statistics.median(ordered), ordered[int(0.95 * (len(ordered) - 1))]


def show(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a Markdown table."""
    for row in (header, ["---"] * len(header), *rows):
        print("| " + " | ".join(row) + " |")
