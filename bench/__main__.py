"""`python -m bench`: measure all lines of the table, or those that are named, and print it.

What is going on is said on standard error; the table is on standard output. The further tables are printed
where they are named.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from bench import (
    batch,
    crowd,
    first_load,
    importing,
    insights,
    memory,
    queued,
    rerun,
    snapshot,
    start,
    supabase,
    tokens,
    usage,
    views,
)
from bench.environment import move_to
from bench.line import HEADER, Line, failed
from bench.measure import machine
from bench.models import measure as models
from bench.table import show

LINES: dict[str, Callable[[], Iterable[Line]]] = {
    "snapshot": snapshot.lines,
    "supabase": supabase.lines,
    "tokens": tokens.lines,
    "insights": insights.lines,
    "rerun": rerun.lines,
    "first-load": first_load.lines,
    "crowd": crowd.lines,
    "start": start.lines,
    "batch": batch.lines,
    "memory": memory.lines,
}
TABLES: dict[str, Callable[[], None]] = {
    "views": views.main,
    "usage": usage.main,
    "queued": queued.main,
    "prompt": tokens.main,
    "models": models.main,
    "importing": importing.main,
}


def main() -> int:
    """Run what is named; 1 where something could not be measured to its end."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join([*LINES, *TABLES]))
    parser.add_argument(
        "--minutes", type=float, default=memory.MINUTES, help="how long `memory` has its sessions click"
    )
    parser.add_argument("--times", type=int, default=1, help="`models`: how many times as many inputs")
    parser.add_argument("--threads", type=int, default=1, help="`models`: how many compute, for each model")
    parser.add_argument(
        "--answers", type=Path, help="`models`: a file of answers to go on with and to add to"
    )
    options = parser.parse_args()
    unknown = set(options.names) - LINES.keys() - TABLES.keys()
    if unknown:
        parser.error(f"no such NAME: {', '.join(sorted(unknown))}")
    benches = LINES | {"memory": partial(memory.lines, options.minutes)}
    kept = None if options.answers is None else options.answers.absolute()
    tables = TABLES | {"models": partial(models.main, options.times, kept, options.threads)}
    with tempfile.TemporaryDirectory() as folder:
        move_to(Path(folder))
        return run(options.names or list(LINES), benches, tables)


def run(
    names: Sequence[str],
    benches: Mapping[str, Callable[[], Iterable[Line]]],
    tables: Mapping[str, Callable[[], None]],
) -> int:
    """Measure the lines that are named and print them as one table, then the further tables."""
    found: list[Line] = []
    whole = [measure(name, benches[name], found) for name in names if name in benches]
    if found:
        show(HEADER, [line.cells for line in found])
        print(f"\n{machine()}")
    for name in names:
        if name in tables:
            print(f"\n## {name}\n")
            tables[name]()
    return int(not all(whole))


def measure(name: str, lines: Callable[[], Iterable[Line]], found: list[Line]) -> bool:
    """Add a bench's lines; one that breaks loses no other's. Whether it came to its end."""
    began = time.monotonic()
    print(f"{name}…", file=sys.stderr, flush=True)
    try:
        for line in lines():
            found.append(line)
            print(f"  {' | '.join(line.cells)}", file=sys.stderr, flush=True)
    except (Exception, SystemExit):  # noqa: BLE001 -- whatever it is, the other lines are worth having
        traceback.print_exc()
        found.append(failed(name))
        return False
    finally:
        print(f"  {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return True


if __name__ == "__main__":
    sys.exit(main())
