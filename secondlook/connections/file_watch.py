"""Detects writes to an SQLite file, and files that were replaced."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path


def file_identity(path: Path) -> tuple[int, int] | None:
    """What a file is, whatever its name; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


class Watch:
    """Detects writes to an SQLite file through a connection that never writes.

    Args:
        path: The file.
        seconds: How long to wait for a write that blocks it.
    """

    def __init__(self, path: Path, seconds: float) -> None:
        self._path = path
        self._seconds = seconds
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._opened = 0

    def version(self) -> object:
        """A version that changes with every write by any process; raises `sqlite3.Error`."""
        with self._lock:
            identity = file_identity(self._path)
            if identity is None:
                return object()  # a missing file never equals an earlier version
            if self._connection is None or identity != self._identity:
                self._close()
                self._connection = sqlite3.connect(
                    self._path, timeout=self._seconds, check_same_thread=False, isolation_level=None
                )
                self._identity = identity
                self._opened += 1
            # The pragma's number is only comparable within one connection.
            return self._opened, self._connection.execute("pragma data_version").fetchone()

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
