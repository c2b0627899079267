"""A server in front of Supabase: it notes every request, and spoils those that a test names.

A behaviour is a plain function: it gets the exchange and passes it on, answers it or breaks it off.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import Any, Literal, TypeAlias
from urllib.parse import parse_qsl, urlsplit

from tests import http_server
from tests.http_server import HttpServer, Request, head, read

Right: TypeAlias = Literal["the secret key", "a person", "nobody"]
_HOP_BY_HOP = {"connection", "content-length", "keep-alive", "transfer-encoding"}


@dataclass(frozen=True)
class Asked:
    """A request as it is noted: all of it but its token and keys."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    prefer: str
    body: Any
    by: Right

    @property
    def table(self) -> str | None:
        """The table it asks for."""
        return self.path.removeprefix("/rest/v1/") if self.path.startswith("/rest/v1/") else None

    @property
    def renews(self) -> bool:
        """Whether it trades a refresh token."""
        return self.path == "/auth/v1/token" and self.values("grant_type") == ["refresh_token"]

    def values(self, name: str) -> list[str]:
        """What the query says under this name."""
        return [value for key, value in self.query if key == name]


@dataclass(frozen=True)
class Answer:
    """What Supabase answered; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Exchange(http_server.Exchange):
    """One request and the socket to answer it on."""

    target: str = field(kw_only=True)

    def forward(self) -> Answer:
        """Ask Supabase."""
        upstream = HTTPConnection(self.target, timeout=30)
        request = self.request
        try:
            sent = {name: value for name, value in request.headers.items() if name not in _HOP_BY_HOP}
            upstream.request(request.method, request.path, request.raw or None, sent)
            answer = upstream.getresponse()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, headers, answer.read())
        finally:
            upstream.close()

    def reply(self, answer: Answer, *, length: int | None = None) -> None:
        """Send an answer; a length that is longer than its body cuts it off."""
        kept = {name: value for name, value in answer.headers.items() if name not in _HOP_BY_HOP}
        kept["content-length"] = str(len(answer.body) if length is None else length)
        self.send(head(answer.status, kept) + answer.body)
        if length is not None:
            self.hang_up()


Behaviour: TypeAlias = Callable[[Exchange], None]
Matches: TypeAlias = Callable[[Asked], bool]


class Proxy(HttpServer):
    """The server; what it is told holds from the next request on.

    Args:
        target: Supabase's address.
    """

    def __init__(self, target: str) -> None:
        self._target = urlsplit(target).netloc
        self._behaviours: list[tuple[Matches, Behaviour, list[None]]] = []
        self.asked: list[Asked] = []
        super().__init__()
        self.url = f"http://127.0.0.1:{self.port}"

    # -- what tests say ---------------------------------------------------------------------------------

    def spoil(self, behaviour: Behaviour, *, when: Matches | None = None, times: int = 1_000_000) -> None:
        """Treat requests so, as often as told; of several behaviours that fit, the first."""
        with self.lock:
            self._behaviours.append((when or (lambda _asked: True), behaviour, [None] * times))

    def mend(self) -> None:
        """Pass on everything again."""
        with self.lock:
            self._behaviours.clear()

    def forget(self) -> None:
        """Begin to note anew."""
        with self.lock:
            self.asked.clear()

    @property
    def of_tables(self) -> list[Asked]:
        """What was asked of tables."""
        return [asked for asked in self.asked if asked.table is not None]

    @property
    def renewals(self) -> list[Asked]:
        """The requests that traded a refresh token."""
        with self.lock:
            return [asked for asked in self.asked if asked.renews]

    @contextmanager
    def down(self) -> Generator[None]:
        """Nobody listens, and what was connected is not any more."""
        self.stop_listening()
        yield
        self.listen_again()

    # -- serving ----------------------------------------------------------------------------------------

    def serve(self, connection: socket.socket, stopping: threading.Event) -> None:
        """Take requests until the client, or a behaviour, has enough."""
        while (request := read(connection)) is not None:
            exchange = Exchange(request, connection, stopping, target=self._target)
            self._behaviour(noted(request))(exchange)
            if not exchange.open:
                break

    def _behaviour(self, asked: Asked) -> Behaviour:
        with self.lock:
            self.asked.append(asked)
            for matches, behaviour, left in self._behaviours:
                if left and matches(asked):
                    left.pop()
                    return behaviour
        return passing_on


def noted(request: Request) -> Asked:
    """What is kept of a request."""
    parts = urlsplit(request.path)
    return Asked(
        method=request.method,
        path=parts.path,
        query=tuple(parse_qsl(parts.query, keep_blank_values=True)),
        prefer=request.headers.get("prefer", ""),
        body=request.body,
        by=_right(request.headers),
    )


def _right(headers: Mapping[str, str]) -> Right:
    token = headers.get("authorization", "").removeprefix("Bearer ")
    if token.count(".") == 2:
        return "a person"
    return "the secret key" if headers.get("apikey", "").startswith("sb_secret_") else "nobody"


# -- which requests -------------------------------------------------------------------------------------


def to(method: str, table: str) -> Matches:
    """Requests of this method to this table."""
    return lambda asked: (asked.method, asked.table) == (method, table)


READ, INSERT, UPDATE = to("GET", "sources"), to("POST", "snapshots"), to("PATCH", "sources")
"""The three requests of a snapshot."""


def of_renewals(asked: Asked) -> bool:
    """Requests that trade a refresh token."""
    return asked.renews


# -- behaviours -----------------------------------------------------------------------------------------


def passing_on(exchange: Exchange) -> None:
    """Forwards the request and the answer."""
    exchange.reply(exchange.forward())


def answering(body: str, *, status: int = 200, kind: str = "application/json") -> Behaviour:
    """Answers this, and Supabase hears nothing of it."""
    answer = Answer(status, {"content-type": kind}, body.encode())
    return lambda exchange: exchange.reply(answer)


def refusing(status: int, code: str, message: str) -> Behaviour:
    """Refuses as PostgREST does."""
    body = {"code": code, "message": message, "details": None, "hint": None}
    return answering(json.dumps(body), status=status)


def saying(path: str, status: int, **body: object) -> Behaviour:
    """Answers this where a path begins so, and passes the rest on."""
    instead = answering(json.dumps(body), status=status)
    return lambda exchange: (instead if exchange.request.path.startswith(path) else passing_on)(exchange)


def delaying(seconds: float) -> Behaviour:
    """Forwards the request only after a while."""

    def behave(exchange: Exchange) -> None:
        exchange.pause(seconds)
        passing_on(exchange)

    return behave


def hanging_up(exchange: Exchange) -> None:
    """Closes the connection without an answer; Supabase hears nothing."""
    exchange.hang_up()


def resetting(exchange: Exchange) -> None:
    """Resets the connection; Supabase hears nothing."""
    exchange.reset()


def losing(exchange: Exchange) -> None:
    """Forwards the request and loses the answer."""
    exchange.forward()
    exchange.reset()


def keeping_silent_after(exchange: Exchange) -> None:
    """Forwards the request and never tells the answer."""
    exchange.forward()
    exchange.pause(60)


def cutting(exchange: Exchange) -> None:
    """Forwards the request, announces the whole answer and sends half of it."""
    answer = exchange.forward()
    body = answer.body or b"[]"
    exchange.reply(Answer(answer.status, answer.headers, body[: len(body) // 2]), length=len(body))


def first(then: Callable[[], object], behaviour: Behaviour = passing_on) -> Behaviour:
    """Has something happen before the request goes on."""

    def behave(exchange: Exchange) -> None:
        then()
        behaviour(exchange)

    return behave
