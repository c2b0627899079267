"""The command line in a process that dies, or says so, at a named point: `Ledger.journal:before ARGS…`.

`CLASS.METHOD:before` and `:after` kill the process there, as `kill -9` would. `CLASS.METHOD:says:FILE`
makes a file of its own beside FILE when the method is entered, and goes on; `:waits:FILE` does the same
and goes on once FILE is there; `:waits 2:FILE` only where it is entered for the second time. `:fills` lets
no file grow any more when the method is entered, as a full disk. `sqlite.FUNCTION` is one of the store's
module. `faketime` is no point: it makes Python's sleep work under libfaketime.
"""

from __future__ import annotations

import os
import resource
import select
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from secondlook.cli import main
from secondlook.execution.runner import Runner
from secondlook.ledger import runs
from secondlook.ledger.batches import Batches
from secondlook.ledger.runs import Ledger
from secondlook.providers.openai.client import Agent
from secondlook.stores import sqlite
from secondlook.stores.sqlite import SqliteStore

OWNERS: dict[str, type | ModuleType] = {
    **{cls.__name__: cls for cls in (Agent, Batches, Ledger, Runner, SqliteStore)},
    "sqlite": sqlite,
}


def arm(point: str) -> None:
    """Make a method deadly."""
    if point == "faketime":
        # Where libfaketime leaves the monotonic clock alone, it breaks sleeping until a moment of that clock.
        time.sleep = lambda seconds: select.select([], [], [], float(seconds)) and None
        return
    where, moment, *file = point.split(":", 2)
    moment, _, wanted = moment.partition(" ")
    owner, method = where.split(".")
    entered = 0
    original: Callable[..., object] = getattr(OWNERS[owner], method)

    def armed(*args: object, **kwargs: object) -> object:
        nonlocal entered
        entered += 1
        if wanted and entered != int(wanted):
            return original(*args, **kwargs)
        if moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        if moment in {"says", "waits"}:
            Path(f"{file[0]}.{os.getpid()}").touch()
        while moment == "waits" and not Path(file[0]).exists():
            time.sleep(0.01)
        if moment == "fills":
            runs.JOURNAL_PATIENCE_SECONDS = 2  # nobody makes room here
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        result = original(*args, **kwargs)
        if moment == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(OWNERS[owner], method, armed)


def run(arguments: list[str], point: str | None) -> int:
    """The command line, armed."""
    if point is not None:
        arm(point)
    return main(arguments)


if __name__ == "__main__":
    sys.exit(run(sys.argv[2:], sys.argv[1]))
