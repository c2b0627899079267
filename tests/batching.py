"""Many sources, each told from the others by its prompt, and a provider that answers them all."""

from __future__ import annotations

import json
import random
import re
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from secondlook.domain.access import Access
from secondlook.domain.batches import Batch
from secondlook.execution.batches import Selection, begin
from tests.examples import NOBODY, bucket_row, weeks
from tests.processes import Home
from tests.provider import Exchange, completion, refusing, right_answer

FIRST_COUNT = 1000
"""Estimates of the first source; the others have one more each: the prompt says which source it is."""


def row(index: int) -> dict[str, Any]:
    """The buckets of one of many sources."""
    count = FIRST_COUNT + index
    return bucket_row(
        price_band_lt_500=count - 25,
        latency_band_0_2=count - 15,
        weekly_volume=json.dumps(weeks(("2026-W01", 15), ("2026-W02", count - 15))),
    )


def fill(home: Home, number: int, user_id: str = NOBODY, *, first: int = 0) -> list[str]:
    """So many sources of a user who has no others; their ids, in order."""
    ids = [f"{user_id[:8]}-0000-4000-9000-{index:012d}" for index in range(first, first + number)]
    at = "2026-01-05T08:00:00Z"
    sources = [(source_id, user_id, "csv", "A source", at, "bucketed") for source_id in ids]
    buckets = [
        (str(uuid4()), source_id, at, *row(index).values()) for index, source_id in enumerate(ids, first)
    ]
    # At once: one by one, each would wait for the disk.
    with closing(sqlite3.connect(home.data / "store.db", timeout=10)) as store, store:
        store.executemany(_insert("sources", *_SOURCE), sources)
        store.executemany(_insert("estimate_buckets", "id", "source_id", "created_at", *row(0)), buckets)
    return ids


_SOURCE = ("id", "user_id", "source_type", "source_name", "created_at", "status")


def _insert(table: str, *columns: str) -> str:
    return f"insert into {table} ({', '.join(columns)}) values ({', '.join('?' * len(columns))})"  # noqa: S608


def new_batch(home: Home, *, user_id: str = NOBODY, concurrency: int = 8, **limits: float) -> Batch:
    """A batch of all that a user has, queued and executed by nobody."""
    return begin(home.services(), Access(user_id), Selection(), concurrency=concurrency, **limits)


@dataclass
class Weather:
    """How a provider answers many sources, and what it has seen.

    Attributes:
        seconds: How long an answer takes.
        shares: How often, from 0 to 1, it does something else, by its name.
        answered: Whole answers, by source.
        arrivals: When each request came.
        most: Requests at the same moment, at the most.
    """

    seconds: float = 0.0
    shares: Mapping[str, float] = field(default_factory=dict[str, float])
    chance: random.Random = field(default_factory=lambda: random.Random(7))  # noqa: S311 -- no secret
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    answered: Counter[int] = field(default_factory=Counter[int])
    did: Counter[str] = field(default_factory=Counter[str])
    arrivals: list[tuple[float, int]] = field(default_factory=list[tuple[float, int]])
    most: int = 0
    inside: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, exchange: Exchange) -> None:
        """Take one request."""
        asked = exchange.request.body["messages"][-1]["content"]
        found = re.search(r"estimate_count\D+(\d+)", asked)
        assert found is not None
        index = int(found[1]) - FIRST_COUNT
        with self.lock:
            self.arrivals.append((time.monotonic(), index))
            self.inside += 1
            self.most = max(self.most, self.inside)
            does = self._next()
            self.did[does] += 1
        try:
            exchange.pause(self.seconds)
            WEATHER.get(does, lambda exchange: self._answer(exchange, index))(exchange)
        finally:
            with self.lock:
                self.inside -= 1

    def _next(self) -> str:
        drawn = self.chance.random()
        for name, share in self.shares.items():
            drawn -= share
            if drawn < 0:
                return name
        return "answer"

    def _answer(self, exchange: Exchange, index: int) -> None:
        answer = json.dumps(right_answer(row(index)), separators=(",", ":"))
        exchange.reply(json.dumps(completion(answer)), headers=self.headers)
        with self.lock:
            self.answered[index] += 1


WEATHER: Mapping[str, Callable[[Exchange], None]] = {
    "429": refusing(429, "Rate limit reached", code="rate_limit_exceeded", headers={"retry-after-ms": "50"}),
    "429 quota": refusing(429, "You exceeded your current quota", code="insufficient_quota"),
    "500": refusing(500, "The server had an error"),
    "503": refusing(503, "Overloaded"),
    "reset": lambda exchange: exchange.reset(),
}
"""What else a provider may do, but answer."""
