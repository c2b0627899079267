"""What is served: the dashboard on a data folder, and a page of a title and a button."""

from __future__ import annotations

import socket
import sys
import tempfile
import time
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL, Popen

from bench.environment import clean
from bench.filled import RUNS, SOURCES, fill_runs, fill_sources
from secondlook.stores.samples import PRACTICE_USERS

TRIVIAL = 'import streamlit as st\n\nst.title("Title")\nst.button("Button")\n'
TRIVIAL_NAME = "title and button, plain `streamlit run`"

_SECONDS = 60


@dataclass(frozen=True)
class Served:
    """A server that answers.

    Attributes:
        pid: Its process.
        url: Its address.
    """

    pid: int
    url: str


@contextmanager
def dashboard(folder: Path) -> Generator[Served]:
    """Serve the dashboard on a data folder, as `make run` does."""
    command = [sys.executable, "-m", "secondlook", "serve", "--port"]
    with _serving(command, folder) as served:
        yield served


@contextmanager
def full_dashboard() -> Generator[Served]:
    """Serve the dashboard on 10,000 sources and 100,000 runs."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fill_sources(folder, SOURCES)
        fill_runs(folder, RUNS)
        with dashboard(folder) as served:
            yield served


@contextmanager
def trivial() -> Generator[Served]:
    """Serve a page of a title and a button, as anybody would begin."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "trivial.py").write_text(TRIVIAL)
        command = [sys.executable, "-m", "streamlit", "run", "trivial.py", "--server.headless", "true"]
        with _serving([*command, "--browser.gatherUsageStats", "false", "--server.port"], folder) as served:
            yield served


@contextmanager
def _serving(command: list[str], folder: Path) -> Generator[Served]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = clean(
        SECONDLOOK_DATA_DIR=str(folder), SECONDLOOK_AGENT="offline", SECONDLOOK_USER=PRACTICE_USERS[0]
    )
    with Popen([*command, str(port)], cwd=folder, env=environment, stdout=DEVNULL, stderr=DEVNULL) as process:
        try:
            url = f"http://localhost:{port}"
            _wait_until_healthy(url, process)
            yield Served(process.pid, url)
        finally:
            process.terminate()


def _wait_until_healthy(url: str, process: Popen[bytes]) -> None:
    until = time.monotonic() + _SECONDS
    while time.monotonic() < until and process.poll() is None:
        with suppress(OSError), urllib.request.urlopen(f"{url}/_stcore/health") as answer:  # noqa: S310 -- our own
            if answer.status == 200:
                return
        time.sleep(0.1)
    raise SystemExit(f"{process.args!r} does not serve")
