"""Readiness under many who ask: one looks, nobody waits in line."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from typing import cast

import pytest
from starlette.requests import Request
from starlette.responses import Response

from secondlook.services import Services
from secondlook.web.health import Health
from tests.loops import run_apart


class SlowStore:
    """A services whose store takes its time."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.looks = 0
        self.ledger = self

    def ping_store(self) -> None:
        """Look at the store."""
        self.looks += 1
        time.sleep(self.seconds)

    def ping(self) -> None:
        """Look at the ledger."""


def ask(door: Health, times: int) -> list[Response]:
    """So many at once."""

    async def all_at_once() -> list[Response]:
        request = Request({"type": "http"})
        return list(await asyncio.gather(*(door.ready(request) for _ in range(times))))

    return run_apart(all_at_once())


def test_one_look_serves_all() -> None:
    """Also where the look takes longer than it stays fresh."""
    slow = SlowStore(0.3)
    door = Health(lambda: cast("Services", slow))
    answers = ask(door, 30)
    assert {answer.status_code for answer in answers} == {200}
    assert slow.looks == 1


def test_nobody_waits_for_a_second_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """While somebody looks again, the others get what was seen last."""
    slow = SlowStore(0)
    door = Health(lambda: cast("Services", slow))
    ask(door, 1)
    slow.seconds = 1.0
    monkeypatch.setattr("secondlook.web.health._FRESH_SECONDS", 0.0)
    looker = threading.Thread(target=ask, args=(door, 1))
    looker.start()
    time.sleep(0.2)
    started = time.monotonic()
    (answer,) = ask(door, 1)
    assert time.monotonic() - started < 0.5
    assert json.loads(bytes(answer.body))["ready"] is True
    looker.join()
    assert slow.looks == 2
