"""Processes that are started, waited for and stopped, and that outlive nobody."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

_LEASH = Path(__file__).with_name("leash.py")
_GRACE_SECONDS = 15
_POLL_SECONDS = 0.03


class StartFailed(RuntimeError):
    """A process ended before it was ready, or was not ready in time; the message ends with its log."""


class Child:
    """A running process and its log; at the end of a `with` block it is stopped."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path, stop_signal: signal.Signals) -> None:
        self.process = process
        self.log = log
        self._stop_signal = stop_signal

    @property
    def running(self) -> bool:
        """Whether it still runs."""
        return self.process.poll() is None

    def log_text(self) -> str:
        """What it has written so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def wait_until(self, ready: Callable[[], bool], seconds: float) -> None:
        """Return as soon as the condition holds.

        Raises:
            StartFailed: It ended, or the time is up.
        """
        end = time.monotonic() + seconds
        while not ready():
            if not self.running:
                raise StartFailed(f"{self.log.stem} ended at once:\n{self.log_text()[-3000:]}")
            if time.monotonic() > end:
                raise StartFailed(
                    f"{self.log.stem} is not ready after {seconds} s:\n{self.log_text()[-3000:]}"
                )
            time.sleep(_POLL_SECONDS)

    def stop(self, how: signal.Signals | None = None) -> None:
        """Ask it to stop, in another way where one is named, and see that it does."""
        if self.running:
            self.process.send_signal(how or self._stop_signal)
        try:
            self.process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def running(
    command: Sequence[str | Path],
    *,
    log: Path,
    environment: Mapping[str, str],
    folder: Path,
    stop_signal: signal.Signals = signal.SIGTERM,
    user: tuple[int, int] | None = None,
    inherited: Sequence[int] = (),
) -> Child:
    """Start a command; on Linux it stops when this process is killed, too.

    Args:
        command: The program's absolute path and its arguments.
        log: Where its output goes; made anew.
        environment: All of its environment: nothing of the caller's gets in.
        folder: Its working directory.
        stop_signal: What asks it to stop.
        user: The user and group it runs as, where that is not the caller's.
        inherited: File descriptors that it gets.
    """
    arguments = [str(part) for part in command]
    leashed = sys.platform == "linux"
    if leashed:
        numbers = (os.getpid(), stop_signal, *(user or (0, 0)))
        arguments = [
            sys.executable,
            "-I",
            "-S",
            str(_LEASH),
            *(str(int(each)) for each in numbers),
            *arguments,
        ]
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 -- our own commands
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=dict(environment),
            pass_fds=inherited,
            user=user[0] if user and not leashed else None,
            group=user[1] if user and not leashed else None,
            extra_groups=[] if user and not leashed else None,
            start_new_session=True,  # Ctrl+C reaches this process alone, which stops them in order
        )
    return Child(process, log, stop_signal)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_free(port: int) -> bool:
    """Whether a server may listen on this port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
