"""A real HTTP server in front of Supabase: it notes every request, and spoils those that a test names.

A behaviour is a plain function: it gets the exchange and passes it on, answers it or breaks it off. Tokens
and keys are not noted, only by what right somebody asked.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import Any, Literal, TypeAlias
from urllib.parse import parse_qsl, urlsplit

Right: TypeAlias = Literal["the secret key", "a person", "nobody"]
_HOP_BY_HOP = {"connection", "content-length", "keep-alive", "transfer-encoding"}


@dataclass(frozen=True)
class Asked:
    """A request as it arrived."""

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

    def values(self, name: str) -> list[str]:
        """What the query says under this name."""
        return [value for key, value in self.query if key == name]


@dataclass(frozen=True)
class Answer:
    """What Supabase answered; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Stopped(Exception):
    """The proxy is closing: a behaviour that waits gives up."""


@dataclass
class Exchange:
    """One request and the socket to answer it on."""

    proxy: Proxy
    asked: Asked
    target: str
    headers: Mapping[str, str]
    raw: bytes
    connection: socket.socket
    open: bool = True

    def forward(self) -> Answer:
        """Ask Supabase."""
        upstream = HTTPConnection(self.proxy.host, self.proxy.port, timeout=30)
        try:
            sent = {name: value for name, value in self.headers.items() if name not in _HOP_BY_HOP}
            upstream.request(self.asked.method, self.target, self.raw or None, sent)
            answer = upstream.getresponse()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, headers, answer.read())
        finally:
            upstream.close()

    def send(self, answer: Answer, *, length: int | None = None) -> None:
        """Send an answer; a length that is longer than its body cuts it off."""
        kept = {name: value for name, value in answer.headers.items() if name not in _HOP_BY_HOP}
        announced = len(answer.body) if length is None else length
        lines = [f"HTTP/1.1 {answer.status} Proxied", *(f"{name}: {value}" for name, value in kept.items())]
        lines.append(f"content-length: {announced}")
        self.connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + answer.body)
        if length is not None:
            self.hang_up()

    def hang_up(self) -> None:
        """Close the connection in order."""
        self.open = False
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def reset(self) -> None:
        """Break the connection off with a TCP reset."""
        self.open = False
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def pause(self, seconds: float) -> None:
        """Wait a while."""
        if self.proxy.stopping.wait(seconds):
            raise Stopped


Behaviour: TypeAlias = Callable[[Exchange], None]
Matches: TypeAlias = Callable[[Asked], bool]


@dataclass
class Proxy:
    """The server; what it is told holds from the next request on."""

    host: str
    port: int
    asked: list[Asked] = field(default_factory=list[Asked])
    stopping: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._behaviours: list[tuple[Matches, Behaviour, list[None]]] = []
        self._connections: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._own_port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._own_port}"
        self._listen()

    # -- what tests say ---------------------------------------------------------------------------------

    def spoil(self, behaviour: Behaviour, *, when: Matches | None = None, times: int = 1_000_000) -> None:
        """Treat requests so, as often as told; of several behaviours that fit, the first."""
        with self._lock:
            self._behaviours.append((when or (lambda _asked: True), behaviour, [None] * times))

    def mend(self) -> None:
        """Pass on everything again."""
        with self._lock:
            self._behaviours.clear()

    def forget(self) -> None:
        """Begin to note anew."""
        with self._lock:
            self.asked.clear()

    @property
    def of_tables(self) -> list[Asked]:
        """What was asked of tables."""
        return [asked for asked in self.asked if asked.table is not None]

    @contextmanager
    def down(self) -> Generator[None]:
        """Nobody listens, and what was connected is not any more."""
        self._hang_up()
        yield
        self._listener = socket.create_server(("127.0.0.1", self._own_port))
        self._listen()

    def close(self) -> None:
        """Stop listening, break off what is held, and wait for every thread."""
        self.stopping.set()
        self._hang_up()
        for thread in self._threads:
            thread.join(timeout=5)

    # -- serving ----------------------------------------------------------------------------------------

    def _listen(self) -> None:
        listener = self._listener
        self._spawn(lambda: self._accept(listener))

    def _hang_up(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _spawn(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self._spawn(lambda connection=connection: self._serve(connection))

    def _serve(self, connection: socket.socket) -> None:
        with self._lock:
            self._connections.add(connection)
        with connection, suppress(OSError, Stopped):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while (exchange := self._read(connection)) is not None:
                self._behaviour(exchange.asked)(exchange)
                if not exchange.open:
                    break
        with self._lock:
            self._connections.discard(connection)

    def _behaviour(self, asked: Asked) -> Behaviour:
        with self._lock:
            self.asked.append(asked)
            for matches, behaviour, left in self._behaviours:
                if left and matches(asked):
                    left.pop()
                    return behaviour
        return passing_on

    def _read(self, connection: socket.socket) -> Exchange | None:
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
        method, target, _ = first.split(" ")
        parts = urlsplit(target)
        asked = Asked(
            method=method,
            path=parts.path,
            query=tuple(parse_qsl(parts.query, keep_blank_values=True)),
            prefer=headers.get("prefer", ""),
            body=json.loads(raw) if raw else None,
            by=_right(headers),
        )
        return Exchange(self, asked, target, headers, raw, connection)


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


# -- behaviours -----------------------------------------------------------------------------------------


def passing_on(exchange: Exchange) -> None:
    """Forwards the request and the answer."""
    exchange.send(exchange.forward())


def answering(body: str, *, status: int = 200, kind: str = "application/json") -> Behaviour:
    """Answers this, and Supabase hears nothing of it."""
    answer = Answer(status, {"content-type": kind}, body.encode())
    return lambda exchange: exchange.send(answer)


def refusing(status: int, code: str, message: str) -> Behaviour:
    """Refuses as PostgREST does."""
    body = {"code": code, "message": message, "details": None, "hint": None}
    return answering(json.dumps(body), status=status)


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
    exchange.send(Answer(answer.status, answer.headers, body[: len(body) // 2]), length=len(body))


def first(then: Callable[[], object], behaviour: Behaviour = passing_on) -> Behaviour:
    """Has something happen before the request goes on."""

    def behave(exchange: Exchange) -> None:
        then()
        behaviour(exchange)

    return behave
