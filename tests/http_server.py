"""A small real HTTP server on a socket, that misbehaves as a test tells it to.

What stands on it (a provider, a proxy) says what becomes of a request; it gets the exchange, which holds the
request, and does what it likes on the socket.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Request:
    """A request as it arrived; header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    raw: bytes

    @property
    def body(self) -> Any:  # noqa: ANN401 -- whatever JSON it holds
        """The parsed body; None where there is none."""
        return json.loads(self.raw) if self.raw else None


class Stopped(Exception):
    """Nobody waits for this answer any more: a behavior that waits ends."""


@dataclass
class Exchange:
    """One request and the socket to answer it on."""

    request: Request
    connection: socket.socket
    stopping: threading.Event
    open: bool = True

    def send(self, data: bytes) -> None:
        """Put bytes on the wire as they are."""
        self.connection.sendall(data)

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

    def pause(self, seconds: float | None) -> None:
        """Wait that many seconds; with None until the server shuts down."""
        if self.stopping.wait(seconds):
            raise Stopped

    def hold(self, until: Callable[[], object]) -> None:
        """Wait until something is so."""
        while not until():
            self.pause(0.01)

    def silence(self) -> None:
        """Say nothing until the server shuts down."""
        self.pause(None)


class HttpServer(ABC):
    """The server. It listens from the beginning until `close`, each connection in a thread of its own."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._stopping = threading.Event()
        self._connections: dict[threading.Thread, socket.socket] = {}
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self._listening = self._listen()

    @abstractmethod
    def serve(self, connection: socket.socket, stopping: threading.Event) -> None:
        """Take the requests of one connection, by `read`; it is closed afterwards."""

    def begin_anew(self) -> None:
        """Break off what is held, and wait for every thread; then go on."""
        self._break_off()
        self._stopping = threading.Event()

    def stop_listening(self) -> None:
        """Refuse connections, and hang up on those that are there."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._listening.join(timeout=5)
        for connection in self._open():
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def listen_again(self) -> None:
        """Listen on the same port as before."""
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
        self._listening = self._listen()

    def close(self) -> None:
        """Stop listening, break off what is held, and wait for every thread."""
        self._stopping.set()
        self.stop_listening()
        self._break_off()

    def _break_off(self) -> None:
        self._stopping.set()
        for connection in self._open():
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RD)  # what is being written goes out
        with self.lock:
            threads = list(self._connections)
        for thread in threads:
            thread.join(timeout=5)

    def _open(self) -> list[socket.socket]:
        with self.lock:
            return list(self._connections.values())

    def _listen(self) -> threading.Thread:
        thread = threading.Thread(target=self._accept, args=[self._listener], daemon=True)
        thread.start()
        return thread

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=[connection, self._stopping], daemon=True)
            with self.lock:
                self._connections[thread] = connection
            thread.start()

    def _serve(self, connection: socket.socket, stopping: threading.Event) -> None:
        with connection, suppress(OSError, Stopped):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.serve(connection, stopping)
        with self.lock:
            del self._connections[threading.current_thread()]


def read(connection: socket.socket) -> Request | None:
    """The next request of a connection; None where its client is gone."""
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
    """The status line and headers of an answer."""
    lines = [f"HTTP/1.1 {status} Test", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
