"""What was read of a database, kept for as long as nobody writes to it: never older than a look at it is."""

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
    """What was read, and when. Of many who ask at once one reads."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    version: object = None
    value: object = None


class Cache(Generic[K, T]):
    """The answers to the questions that were asked last.

    Args:
        database: Where they are read.
        read: Reads the answer to a question. A question says whose answer it is, where that matters.
        most: Answers that are kept.
    """

    def __init__(self, database: Database, read: Callable[[K], T], *, most: int = 64) -> None:
        self._database = database
        self._read = read
        self._most = most
        self._lock = threading.Lock()
        self._entries: dict[K, _Entry] = {}

    def get(self, question: K) -> T:
        """The answer as the database has it now, read again only where something was written since."""
        version = self._database.version()  # looked at first: what is written from here on is seen next time
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
