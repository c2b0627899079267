"""How long the command line takes to start, next to a Python that does nothing, in turn."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from subprocess import DEVNULL

from bench.environment import clean
from bench.line import Goal, Line, compared
from bench.turns import in_turn

TURNS = 20
GOALS = {"--help": Goal("≤", 10), "sources": Goal("≤", 25)}
COMMAND = str(Path(sys.executable).with_name("secondlook"))


def lines() -> Iterator[Line]:
    """A line for each command."""
    with tempfile.TemporaryDirectory() as folder:
        contenders = {name: partial(_milliseconds, folder, COMMAND, name) for name in GOALS}
        contenders["nothing"] = partial(_milliseconds, folder, sys.executable, "-c", "pass")
        medians = {name: statistics.median(each) for name, each in in_turn(contenders, TURNS).items()}
    for name, goal in GOALS.items():
        yield compared(
            f"`secondlook {name}`", "`python -c pass`", medians[name], medians["nothing"], "ms", goal
        )


def _milliseconds(folder: str, *command: str) -> float:
    """Of a command from its beginning to its end; the samples are its store."""
    environment = clean(SECONDLOOK_DATA_DIR=folder)
    began = time.perf_counter()
    subprocess.run(command, env=environment, cwd=folder, check=True, stdout=DEVNULL, stdin=DEVNULL)
    return (time.perf_counter() - began) * 1000
