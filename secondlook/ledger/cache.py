"""A cache of reads from a database, valid until anybody writes to it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from secondlook.connections.database import Database

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


@dataclass
class _Entry:
    """A cached value and its version. Of concurrent callers, one reads."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    version: object = None
    value: object = None


class Cache(Generic[K, T]):
    """Caches the answers to the latest questions.

    Args:
        database: Where they are read.
        read: Reads the answer to a question. Where answers depend on the user, the question names them.
        most: The most answers that are kept.
    """

    def __init__(self, database: Database, read: Callable[[K], T], *, most: int = 64) -> None:
        self._database = database
        self._read = read
        self._most = most
        self._lock = threading.Lock()
        self._entries: dict[K, _Entry] = {}

    def get(self, question: K) -> T:
        """The current answer; it is read again only if the database has changed."""
        version = self._database.version()  # before reading, so that the next call sees later writes
        with self._lock:
            entry = self._entries.pop(question, None) or _Entry()
            self._entries[question] = entry
            if len(self._entries) > self._most:
                del self._entries[next(iter(self._entries))]
        with entry.lock:
            if entry.version != version:
                entry.value = self._read(question)
                entry.version = version
            return entry.value  # pyright: ignore[reportReturnType] -- read by the same function
