"""The front door as a real process, and a browser without a screen."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Generator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from dev.local_supabase import Server
from secondlook.web.cookies import NAME
from tests.processes import ROOT, eventually, rows
from tests.supabase.proxy import Proxy
from tests.supabase_server import SupabaseUser

WRONG = "not-the-password"


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_served(url: str) -> None:
    """Wait until the server answers."""

    def healthy() -> bool:
        try:
            with urllib.request.urlopen(f"{url}/_stcore/health", timeout=2) as answer:  # noqa: S310 -- our own server
                return answer.status == 200
        except OSError:
            return False

    eventually(healthy, seconds=60)


def settings_for(server: Server, proxy: Proxy | None = None) -> dict[str, str]:
    """The settings that make people sign in, by way of a proxy."""
    url = server.url if proxy is None else proxy.url
    return {"SUPABASE_URL": url, "SUPABASE_KEY": server.publishable_key}


@dataclass(frozen=True)
class Raw:
    """An answer, whatever its status."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Served:
    """A running front door."""

    url: str
    folder: Path
    process: subprocess.Popen[bytes]
    log: Path
    unread: int = 0

    @property
    def data(self) -> Path:
        """Its data folder."""
        return self.folder / "data"

    @property
    def logged(self) -> str:
        """What it has written to its standard output and error since the test began."""
        return self.log.read_bytes()[self.unread :].decode(errors="replace")

    def begin(self) -> None:
        """Another test begins: nobody has tried to sign in, nothing is logged."""
        self.unread = self.log.stat().st_size
        self.forget_attempts()

    def sessions(self) -> list[dict[str, object]]:
        """The sessions in its ledger."""
        return rows(self.data / "ledger.db", "select * from sessions")

    def forget_attempts(self) -> None:
        """As if nobody had tried to sign in."""
        with suppress(sqlite3.OperationalError):  # the table comes with the first try
            rows(self.data / "ledger.db", "delete from sign_in_attempts")

    def browser(self, **headers: str) -> httpx.Client:
        """A browser: it keeps cookies, sends this site's Origin, and follows nothing on its own."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx.Client(
            base_url=self.url,
            headers={"Accept": "text/html", "Origin": self.url, **named},
            timeout=30,
            trust_env=False,
        )

    @contextmanager
    def signed_in(self, user: SupabaseUser) -> Generator[httpx.Client]:
        """A browser in which somebody has signed in."""
        with self.browser() as browser:
            answer = sign_in(browser, user)
            assert answer.status_code == 303, answer.text
            yield browser

    def raw(
        self, target: str, *, method: str = "GET", body: bytes | str | None = None, **headers: str
    ) -> Raw:
        """Ask for exactly this target: no client tidies it up."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        with closing(http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=30)) as connection:
            connection.putrequest(method, target, skip_host="Host" in sent, skip_accept_encoding=True)
            data = body.encode() if isinstance(body, str) else body
            if data is not None:
                connection.putheader("Content-Length", str(len(data)))
            for name, value in sent.items():
                connection.putheader(name, value)
            connection.endheaders(data)
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Raw(answer.status, found, answer.read())

    def stop(self) -> None:
        """Tell it to end, and wait."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def cookie(browser: httpx.Client) -> dict[str, str]:
    """The browser's session as a header."""
    return {"Cookie": f"{NAME}={browser.cookies[NAME]}"}


def sign_in(
    browser: httpx.Client, user: SupabaseUser, password: str | None = None, to: str = "/"
) -> httpx.Response:
    """Fill in the form and send it."""
    form = {"email": user.email, "password": password or user.password, "next": to}
    return browser.post("/auth/sign-in", data=form)


@contextmanager
def serving(
    folder: Path, settings: Mapping[str, str], *, port: int | None = None, arguments: tuple[str, ...] = ()
) -> Generator[Served]:
    """`secondlook serve` in a folder for as long as the block runs; the block may stop it earlier."""
    port = port or free_port()
    folder.mkdir(parents=True, exist_ok=True)
    environment = {
        "PATH": os.defpath,
        "HOME": str(folder),
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "SECONDLOOK_DATA_DIR": str(folder / "data"),
        **settings,
    }
    command = arguments or ("-m", "secondlook", "serve", "--port", str(port))
    log = folder / f"served-{port}.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, *(part.format(port=port) for part in command)],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    served = Served(f"http://localhost:{port}", folder, process, log)
    try:
        wait_until_served(served.url)
        yield served
    finally:
        served.stop()
