"""Many sources, each told from the others by its prompt, and a provider that answers them all."""

from __future__ import annotations

import json
import random
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from secondlook.domain.access import Access
from secondlook.domain.batches import Batch
from secondlook.execution.batches import Selection, begin
from tests.examples import NOBODY, bucket_row, some, weeks
from tests.processes import Home
from tests.provider import Exchange, completion, refusing, right_answer
from tests.tables import EmbeddedTables

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
    tables = EmbeddedTables(home.data / "store.db")
    source = {"user_id": user_id, "source_type": "csv", "source_name": "A source", "status": "bucketed"}
    at = {"created_at": "2026-01-05T08:00:00Z"}
    # At once: one by one, each would wait for the disk.
    tables.insert("sources", [{"id": each, **source, **at} for each in ids])
    tables.insert(
        "estimate_buckets", [{"source_id": each, **at, **row(index)} for index, each in enumerate(ids, first)]
    )
    return ids


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
        found = some(re.search(r"estimate_count\D+(\d+)", asked))
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
