"""Things that are done in turn: each in a process of its own that lives as long as the bench does.

What happens to the machine meanwhile happens to all of them alike, and none pays for another's memory.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from subprocess import PIPE, Popen
from types import TracebackType
from typing import Any, Self

from bench.environment import clean

WARM_UP = 10
"""Turns that are not counted."""


class Failed(Exception):
    """A child has ended unexpectedly; what it said is on standard error."""


class Child:
    """A process that does one thing for each line it is sent, and answers with the milliseconds it took.

    Args:
        module: What it runs: a module whose end is `serve`.
        ask: What it is told first.
        python: The interpreter of its environment; None is this one.
    """

    def __init__(self, module: str, ask: object, python: Path | None = None) -> None:
        command = [str(python or sys.executable), "-m", module]
        self._process = Popen(command, stdin=PIPE, stdout=PIPE, text=True, env=clean())
        self._send(json.dumps(ask))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.communicate()

    def once(self) -> float:
        """Do it once more.

        Raises:
            Failed: It ended instead.
        """
        self._send("")
        assert self._process.stdout is not None  # noqa: S101 -- it was asked for
        line = self._process.stdout.readline()
        if not line:
            raise Failed(f"{self._process.args!r} ended")
        return float(line)

    def _send(self, line: str) -> None:
        assert self._process.stdin is not None  # noqa: S101 -- it was asked for
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()


def in_turn(contenders: Mapping[str, Callable[[], float]], turns: int) -> dict[str, list[float]]:
    """Do each so many times, one after the other, and give what each gave, the first turns left out."""
    samples: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(turns + WARM_UP):
        for name, once in contenders.items():
            taken = once()
            if turn >= WARM_UP:
                samples[name].append(taken)
    return samples


def serve(make: Callable[[dict[str, Any]], Callable[[], object]]) -> None:
    """Be the child: make what is to be done from the first line, then do it for each line.

    Args:
        make: Gives what is done once for each line; what it takes itself is not counted.
    """
    do = make(json.loads(sys.stdin.readline()))
    for _ in sys.stdin:
        began = time.perf_counter()
        do()
        print(f"{(time.perf_counter() - began) * 1000:.4f}", flush=True)
