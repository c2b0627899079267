"""A small real HTTP server that speaks OpenAI's chat completions, and misbehaves as a test tells it to.

A behaviour is a plain function: it gets the exchange, which holds the request, and does what it likes on
the socket. Every request is recorded, whatever becomes of it.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias
from uuid import uuid4

import pytest

Json: TypeAlias = dict[str, Any]

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
USAGE: Json = {
    "prompt_tokens": 444,
    "completion_tokens": 398,
    "total_tokens": 842,
    "cached_tokens": 128,
    "reasoning_tokens": None,
}
"""What every well-formed answer says it took."""


@dataclass(frozen=True)
class Request:
    """A request as it arrived; header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    raw: bytes

    @property
    def body(self) -> Json:
        """The parsed body."""
        return json.loads(self.raw)


class Stopped(Exception):
    """The server is closing: a behaviour that waits gives up."""


@dataclass
class Exchange:
    """One request and the socket to answer it on."""

    provider: Provider
    request: Request
    number: int
    connection: socket.socket

    def send(self, data: bytes) -> None:
        """Put bytes on the wire as they are."""
        self.provider.sent.append(data)
        self.connection.sendall(data)

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

    def reset(self) -> None:
        """Break the connection off with a TCP reset."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def pause(self, seconds: float) -> None:
        """Wait a while."""
        if self.provider.stopping.wait(seconds):
            raise Stopped

    def hold(self, until: Callable[[], bool]) -> None:
        """Wait until something is so."""
        while not until():
            self.pause(0.01)

    def silence(self) -> None:
        """Say nothing until the server closes."""
        self.provider.stopping.wait()
        raise Stopped


Behaviour: TypeAlias = Callable[[Exchange], None]


@dataclass
class Provider:
    """The server; `behaviour` may be changed at any time and holds from the next request on.

    Who asks for its models gets them, for free: that is no request to the agent.
    """

    models: Json = field(default_factory=lambda: listing("gpt-4o-2024-08-06"))
    looks: list[Request] = field(default_factory=list[Request])
    behaviour: Behaviour = field(default=lambda exchange: exchange.reply("", status=500))
    requests: list[Request] = field(default_factory=list[Request])
    sent: list[bytes] = field(default_factory=list[bytes])
    answered: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    stopping: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        # Ports are used again: a browser that looks for its old server on this one is no request.
        self._prefix = f"/{uuid4().hex}"
        self.base_url = f"http://127.0.0.1:{self._listener.getsockname()[1]}{self._prefix}/v1"
        self._spawn(self._accept)

    def close(self) -> None:
        """Stop listening, break off what is held, and wait for every thread."""
        self.stopping.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(timeout=5)

    def _spawn(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self.stopping.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._spawn(lambda connection=connection: self._serve(connection))

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError, Stopped):
            connection.settimeout(30)
            request = _read(connection)
            if request is None or not request.path.startswith(self._prefix):
                return
            request = replace(request, path=request.path.removeprefix(self._prefix))
            if request.method == "GET" and request.path.partition("?")[0].endswith("/models"):
                self.looks.append(request)
                body = json.dumps(self.models).encode()
                connection.sendall(head(200, {"content-length": str(len(body))}) + body)
                return
            with self.lock:
                self.requests.append(request)
                number = len(self.requests)
            self.behaviour(Exchange(self, request, number, connection))


def _read(connection: socket.socket) -> Request | None:
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return None
        data += more
    top, _, raw = data.partition(b"\r\n\r\n")
    first, *lines = top.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while len(raw) < int(headers.get("content-length", "0")):
        more = connection.recv(65536)
        if not more:
            return None
        raw += more
    method, path, _ = first.split(" ")
    return Request(method, path, headers, raw)


def head(status: int, headers: Mapping[str, str]) -> bytes:
    """The status line and headers of an answer, after which the connection closes."""
    fields = {
        "content-type": "application/json",
        "x-request-id": "req_test",
        "connection": "close",
        **headers,
    }
    lines = [f"HTTP/1.1 {status} Test", *(f"{name}: {value}" for name, value in fields.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def listing(*ids: str, **fields: object) -> Json:
    """A list of models, each with these fields."""
    return {"object": "list", "data": [{"id": each, "object": "model", **fields} for each in ids]}


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
    exchange.connection.shutdown(socket.SHUT_RDWR)


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
