"""Between the product and the local Supabase: writes down what passes, or lets nothing pass."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Asked:
    """A request as it arrived."""

    method: str
    path: str
    body: bytes

    @property
    def renews(self) -> bool:
        """Whether it trades a refresh token."""
        return self.path.startswith("/auth/v1/token") and "refresh_token" in self.path

    @property
    def refresh_token(self) -> str:
        """The one that it trades."""
        return json.loads(self.body)["refresh_token"]


Weather: TypeAlias = Callable[[Asked], tuple[int, dict[str, Any]] | None]
"""Answers in Supabase's place, or gives None to let a request pass."""


def fair(_asked: Asked) -> None:
    """Everything passes."""


def down(_asked: Asked) -> None:
    """As if Supabase were not there."""
    raise ConnectionResetError


def refusing(path: str, status: int, **body: object) -> Weather:
    """What begins with this path is answered so; the rest passes."""
    return lambda asked: (status, body) if asked.path.startswith(path) else None


@dataclass
class Relay:
    """The relay; `weather` may be changed at any time and holds from the next request on."""

    target: str
    weather: Weather = fair
    asked: list[Asked] = field(default_factory=list[Asked])
    lock: threading.Lock = field(default_factory=threading.Lock)
    url: str = ""

    @property
    def renewals(self) -> list[Asked]:
        """The requests that traded a refresh token."""
        with self.lock:
            return [asked for asked in self.asked if asked.renews]

    def reset(self) -> None:
        """As it was at the beginning."""
        with self.lock:
            self.weather = fair
            self.asked.clear()

    def note(self, asked: Asked) -> None:
        """Write a request down."""
        with self.lock:
            self.asked.append(asked)


class _Server(ThreadingHTTPServer):
    relay: Relay
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A broken connection is what was asked for."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server  # pyright: ignore[reportIncompatibleVariableOverride]

    def _pass(self) -> None:
        relay = self.server.relay
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        asked = Asked(self.command, self.path, body)
        relay.note(asked)
        answer = relay.weather(asked)
        if answer is not None:
            self._reply(answer[0], json.dumps(answer[1]).encode(), {"content-type": "application/json"})
            return
        headers = {
            name: value
            for name, value in self.headers.items()
            if name.lower() not in {"host", "connection", "accept-encoding", "content-length"}
        }
        behind = http.client.HTTPConnection(urlsplit(relay.target).netloc, timeout=30)
        try:
            behind.request(asked.method, asked.path, body or None, headers)
            response = behind.getresponse()
            kept = {
                name: value
                for name, value in response.getheaders()
                if name.lower() not in {"transfer-encoding", "connection", "content-length", "date"}
            }
            self._reply(response.status, response.read(), kept)
        finally:
            behind.close()

    def _reply(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _pass  # noqa: N815 -- the names are the library's


@contextmanager
def relaying(target: str) -> Generator[Relay]:
    """A relay for as long as the block runs."""
    relay = Relay(target)
    server = _Server(("127.0.0.1", 0), _Handler)
    server.relay = relay
    relay.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.02))
    thread.start()
    try:
        yield relay
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
