"""Real processes of the command line that are there at once: forked from one that has imported everything.

To start Python and import the client, the database's driver and the rest takes a second of each process; a
fork takes some 20 ms. Whoever kills one kills a process as real as any.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from pathlib import Path
from types import ModuleType

from tests import kill_driver

_ROOT = Path(__file__).resolve().parent.parent
_IMPORTED = (
    *("genai_prices.data_snapshot", "openai.resources.chat.completions", "psycopg_pool"),
    *("secondlook.cli.batch", "secondlook.cli.runs", "secondlook.cli.comparison", "secondlook.cli.sources"),
    *("secondlook.execution.worker", "secondlook.services", "tests.kill_driver"),
)


class Forked:
    """`python -m secondlook`, or a driver that dies, with as much of `subprocess.Popen` as tests need.

    Args:
        arguments: The command line.
        folder: Where it runs.
        env: All of its environment.
        driver: Where it dies: see kill_driver.
    """

    def __init__(
        self, arguments: Sequence[str], folder: Path, env: Mapping[str, str], driver: str | None
    ) -> None:
        forks = _forks()
        self._written = ["", ""]
        ends = [forks.Pipe(duplex=False) for _ in self._written]
        written = [end for _, end in ends]
        self._process = forks.Process(
            target=_run, args=(written, [*arguments], str(folder), {**env}, driver), daemon=True
        )
        with _no_main():
            self._process.start()
        for end in written:
            end.close()
        self._readers = [
            threading.Thread(target=self._read, args=[number, end], daemon=True)
            for number, (end, _) in enumerate(ends)
        ]
        for reader in self._readers:
            reader.start()

    @property
    def pid(self) -> int:
        """Its id."""
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """What it ended with; minus the signal that killed it."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """What it ended with; None while it runs."""
        return self._process.exitcode

    def kill(self) -> None:
        """`kill -9`."""
        self.send_signal(signal.SIGKILL)

    def send_signal(self, number: int) -> None:
        """Send a signal, where it has not ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end."""
        self._process.join(timeout)
        code = self._process.exitcode
        if code is None:
            raise subprocess.TimeoutExpired(self._process.name, timeout or 0)
        return code

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Wait for its end: what it has written to its standard output and error."""
        self.wait(timeout)
        for reader in self._readers:
            reader.join()
        out, err = self._written
        return out, err

    def _read(self, number: int, end: Connection) -> None:
        with end, open(os.dup(end.fileno()), encoding="utf-8") as file:  # noqa: PTH123 -- of a descriptor
            self._written[number] = file.read()


@contextmanager
def _no_main() -> Generator[None]:
    """Hide `__main__`, which the new process would run: Streamlit's tests leave a page's script there."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@cache
def _forks() -> ForkServerContext:
    """The process that forks; it finds the tests, wherever it is started."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*_IMPORTED])
    before = dict(os.environ)
    os.environ["PYTHONPATH"] = str(_ROOT)
    try:
        forkserver.ensure_running()
    finally:
        os.environ.clear()
        os.environ.update(before)
    return context


def _run(
    written: list[Connection], arguments: list[str], folder: str, env: dict[str, str], driver: str | None
) -> None:
    """In the new process."""
    for number, end in enumerate(written, start=1):
        os.dup2(end.fileno(), number)
        end.close()
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 -- as Python does at its start
    sys.stderr = open(2, "w", encoding="utf-8", buffering=1, closefd=False)  # noqa: SIM115
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(env)
    sys.dont_write_bytecode = True  # the variable of that name was read when Python began
    random.seed()
    sys.exit(kill_driver.run(arguments, driver))
