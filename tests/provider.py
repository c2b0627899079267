"""A server that speaks OpenAI's chat completions, and misbehaves as a test tells it to.

A behaviour is a plain function that gets the exchange. Every request is recorded, whatever becomes of it.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias
from uuid import uuid4

import pytest

from tests import http_server
from tests.http_server import HttpServer, Request, read

PRICE_BANDS = {
    "price_band_lt_500": "<500",
    "price_band_500_1500": "500-1500",
    "price_band_1500_5000": "1500-5000",
    "price_band_5000_plus": "5000+",
}
LATENCY_BANDS = {
    "latency_band_0_2": "0-2d",
    "latency_band_3_7": "3-7d",
    "latency_band_8_21": "8-21d",
    "latency_band_22_plus": "22+d",
}
USAGE = {"prompt_tokens": 444, "completion_tokens": 398, "total_tokens": 842, "cached_tokens": 128}
"""What every well-formed answer says it took."""

Json: TypeAlias = dict[str, Any]


@dataclass
class Exchange(http_server.Exchange):
    """One request and the socket to answer it on."""

    provider: Provider = field(kw_only=True)
    number: int = field(kw_only=True)

    def send(self, data: bytes) -> None:
        """Put bytes on the wire as they are."""
        self.provider.sent.append(data)
        super().send(data)

    def reply(
        self,
        body: bytes | str,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        length: int | None = None,
    ) -> None:
        """Send a whole HTTP answer; another `length` than the body's cuts it off."""
        data = body.encode() if isinstance(body, str) else body
        self.send(
            head(status, {"content-length": str(len(data) if length is None else length), **(headers or {})})
        )
        self.send(data)
        if status == 200 and length is None:
            with self.provider.lock:
                self.provider.answered += 1


Behaviour: TypeAlias = Callable[[Exchange], None]


class Provider(HttpServer):
    """The server; `behaviour` may be changed at any time and holds from the next request on."""

    def __init__(self) -> None:
        self._know_nothing()
        # Ports are used again: a browser that looks for its old server on this one is no request.
        self._prefix = f"/{uuid4().hex}"
        super().__init__()
        self.base_url = f"http://127.0.0.1:{self.port}{self._prefix}/v1"

    def _know_nothing(self) -> None:
        self.behaviour: Behaviour = lambda exchange: exchange.reply("", status=500)
        self.requests: list[Request] = []
        self.sent: list[bytes] = []
        self.answered = 0

    def begin_anew(self) -> None:
        """Break off what is held, and forget all requests."""
        super().begin_anew()
        self._know_nothing()

    def serve(self, connection: socket.socket, stopping: threading.Event) -> None:
        """Take one request; the connection closes after it."""
        connection.settimeout(30)
        request = read(connection)
        if request is None or not request.path.startswith(self._prefix):
            return
        request = replace(request, path=request.path.removeprefix(self._prefix))
        with self.lock:
            self.requests.append(request)
            number = len(self.requests)
        self.behaviour(Exchange(request, connection, stopping, provider=self, number=number))


def head(status: int, headers: Mapping[str, str]) -> bytes:
    """The status line and headers of an answer, after which the connection closes."""
    fields = {"content-type": "application/json", "x-request-id": "req_test", "connection": "close"}
    return http_server.head(status, {**fields, **headers})


# -- answers --------------------------------------------------------------------------------------------


def right_answer(buckets: Mapping[str, Any]) -> Json:
    """What the model must answer for a row of estimate_buckets."""
    weeks: list[Json] = json.loads(buckets["weekly_volume"])
    count = sum(buckets[column] for column in PRICE_BANDS)
    return {
        "meta": {
            "snapshot_id": "pending",
            "source_id": "pending",
            "generated_at": "pending",
            "estimate_count": count,
            "confidence_level": "low" if count < 40 else "medium" if count <= 60 else "high",
        },
        "demand": {
            "weekly_volume": sorted(weeks, key=lambda week: week["week"]),
            "price_distribution": [
                {"band": band, "count": buckets[column]} for column, band in PRICE_BANDS.items()
            ],
        },
        "decision_latency": {
            "distribution": [
                {"band": band, "count": buckets[column]} for column, band in LATENCY_BANDS.items()
            ]
        },
    }


def completion(text: str | None) -> Json:
    """A chat completion with this text."""
    return {
        "id": "chatcmpl-test",
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": "gpt-4o-2024-08-06",
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "logprobs": None,
                "message": {"role": "assistant", "content": text, "refusal": None},
            }
        ],
        "usage": {
            "prompt_tokens": USAGE["prompt_tokens"],
            "completion_tokens": USAGE["completion_tokens"],
            "total_tokens": USAGE["total_tokens"],
            "prompt_tokens_details": {"cached_tokens": USAGE["cached_tokens"]},
        },
    }


def answering(answer: Json) -> Behaviour:
    """Answers properly."""
    body = json.dumps(completion(json.dumps(answer, separators=(",", ":"))))
    return lambda exchange: exchange.reply(body)


def answering_after(seconds: float, answer: Json) -> Behaviour:
    """Answers properly, but not at once."""

    def behave(exchange: Exchange) -> None:
        exchange.pause(seconds)
        answering(answer)(exchange)

    return behave


def answering_once(until: Callable[[], bool], answer: Json) -> Behaviour:
    """Answers properly once something is so."""

    def behave(exchange: Exchange) -> None:
        exchange.hold(until)
        answering(answer)(exchange)

    return behave


def replying(body: bytes | str, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Behaviour:
    """Sends this body with this status."""
    return lambda exchange: exchange.reply(body, status=status, headers=headers)


def refusing(
    status: int, message: str, *, code: str | None = None, headers: Mapping[str, str] | None = None
) -> Behaviour:
    """Refuses as OpenAI does."""
    error = {"message": message, "type": "test_error", "param": None, "code": code}
    return replying(json.dumps({"error": error}), status=status, headers=headers)


def resetting(exchange: Exchange) -> None:
    """Breaks the connection off before any answer."""
    exchange.reset()


def hanging_up(exchange: Exchange) -> None:
    """Closes the connection without an answer."""
    exchange.hang_up()


def going_silent(exchange: Exchange) -> None:
    """Takes the request and never answers."""
    exchange.silence()


def cutting_off(body: str) -> Behaviour:
    """Announces a whole body and sends half of it."""
    return lambda exchange: exchange.reply(body[: len(body) // 2], length=len(body))


def cutting_off_chunks(body: str) -> Behaviour:
    """Sends half of a body in a chunk, and no end of chunks."""
    half = body[: len(body) // 2].encode()

    def behave(exchange: Exchange) -> None:
        exchange.send(head(200, {"transfer-encoding": "chunked"}) + b"%x\r\n%s\r\n" % (len(half), half))

    return behave


def dripping(body: str, *, every: float) -> Behaviour:
    """Sends a right body byte by byte, slowly."""

    def behave(exchange: Exchange) -> None:
        exchange.send(head(200, {"content-length": str(len(body))}))
        for byte in body.encode():
            exchange.send(bytes([byte]))
            exchange.pause(every)

    return behave


@pytest.fixture
def provider() -> Generator[Provider]:
    """The server, until the test ends."""
    served = Provider()
    yield served
    served.close()
