"""The front door as a real process on a real Supabase, and the people who ask it with tokens of their own."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias
from uuid import uuid4

import httpx
import pytest

from dev.local_supabase import Server
from dev.local_supabase.people import give_role
from tests.examples import echo
from tests.processes import API_KEY, ROOT, eventually
from tests.provider import Provider, answering
from tests.supabase_server import SupabaseTables, SupabaseUser, sign_up

PROBLEM = "application/problem+json"

Json: TypeAlias = Any  # whatever JSON holds


class FrontDoor:
    """`secondlook serve` on a Supabase and a provider; it can be stopped and started on the same ledger.

    Args:
        folder: Its own, for its data and its log.
        environment: All of its environment.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.environment = dict(environment)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None
        self._client = httpx.Client(base_url=self.url, trust_env=False, timeout=30)

    def start(self) -> None:
        """Start the process and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "secondlook", "serve", "--port", str(self.port)],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        eventually(self._alive, seconds=60)

    def stop(self) -> None:
        """End the process as an operator does."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._process = None

    def close(self) -> None:
        """End everything."""
        self._client.close()
        self.stop()

    def _alive(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log
        try:
            return self._client.get("/healthz").status_code == 200
        except httpx.TransportError:
            return False

    @property
    def log(self) -> str:
        """What it has written."""
        return (self.folder / "log").read_text()

    def ask(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        headers: Mapping[str, str] | Sequence[tuple[str, str]] = (),
        **sent: Json,
    ) -> httpx.Response:
        """Send one request; `sent` is httpx's json, content or params."""
        given = httpx.Headers(headers)
        if token is not None:
            given["Authorization"] = f"Bearer {token}"
        return self._client.request(method, path, headers=given, **sent)

    def send(self, *parts: bytes) -> tuple[int, bytes]:
        """Put a request on the wire as it is; its status and the whole answer, or 0 and nothing."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            with suppress(ConnectionError):  # refused in the middle of it: the answer says why
                for part in parts:
                    connection.sendall(part)
            answer = b""
            with suppress(ConnectionError):
                while chunk := connection.recv(65536):
                    answer += chunk
        return (int(answer.split(b" ", 2)[1]) if answer else 0), answer


@dataclass(frozen=True)
class Someone:
    """A person with a token, at the front door."""

    door: FrontDoor
    server: Server
    user: SupabaseUser
    token: str = field(repr=False)

    @property
    def user_id(self) -> str:
        """Their id."""
        return self.user.user_id

    @cached_property
    def tables(self) -> SupabaseTables:
        """The product's tables, with everybody's rows."""
        return SupabaseTables(self.server)

    def at(self, door: FrontDoor) -> Someone:
        """The same person at another front door."""
        return replace(self, door=door)

    def add_source(self, **how: Json) -> str:
        """Give them a source: see `Tables.add_source`."""
        return self.tables.add_source(str(uuid4()), user_id=self.user_id, **how)

    def ask(self, method: str, path: str, **sent: Json) -> httpx.Response:
        """Send a request with their token."""
        return self.door.ask(method, path, token=self.token, **sent)

    def get(self, path: str, **sent: Json) -> httpx.Response:
        """Read."""
        return self.ask("GET", path, **sent)

    def press(
        self,
        source_id: str,
        *,
        regenerate: bool | None = None,
        key: str | None = None,
        prefer: str | None = None,
    ) -> httpx.Response:
        """Ask for a snapshot of a source."""
        body = (
            {"source_id": source_id}
            if regenerate is None
            else {"source_id": source_id, "regenerate": regenerate}
        )
        headers = {"Idempotency-Key": key, "Prefer": prefer}
        return self.ask(
            "POST",
            "/api/snapshots",
            json=body,
            headers={name: value for name, value in headers.items() if value is not None},
        )

    def begin(self, source_id: str, **how: Json) -> str:
        """Begin or join a run; gives its id."""
        answer = self.press(source_id, **how)
        assert answer.status_code == 202, answer.text
        return answer.json()["run_id"]

    def ended(self, run_id: str) -> Json:
        """The run, once it no longer progresses on its own."""
        found: list[Json] = []

        def over() -> bool:
            found.append(self.get(f"/api/runs/{run_id}").json())
            return found[-1]["status"] not in {"queued", "calling", "answered"}

        eventually(over)
        return found[-1]

    def made(self, source_id: str, **how: Json) -> Json:
        """Make a snapshot, to the end."""
        answer = self.press(source_id, prefer="wait", **how)
        assert answer.status_code == 200, answer.text
        return answer.json()


def problem_of(answer: httpx.Response, status: int, code: str) -> Json:
    """The problem that an answer is, held against what every problem has."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, PROBLEM), answer.text
    body = answer.json()
    assert (body["status"], body["code"], body["type"]) == (status, code, f"urn:secondlook:{code}")
    assert body["title"]
    return body


@pytest.fixture(scope="session")
def shared_provider() -> Generator[Provider]:
    """The provider of every front door here."""
    served = Provider()
    yield served
    served.close()


@pytest.fixture
def provider(shared_provider: Provider) -> Provider:
    """The same, with no request yet; it answers the sources of `Someone.add_source` properly."""
    shared_provider.behaviour = answering(echo())
    shared_provider.requests.clear()
    return shared_provider


@pytest.fixture(scope="session")
def new_door(
    supabase_server: Server, shared_provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Callable[..., FrontDoor]]:
    """Starts front doors; a setting of None is left out."""
    opened: list[FrontDoor] = []

    def start(**settings: str | None) -> FrontDoor:
        folder = tmp_path_factory.mktemp("door")
        environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(folder),
            "PYTHONPATH": str(ROOT),
            "SECONDLOOK_DATA_DIR": str(folder / "data"),
            "SUPABASE_URL": supabase_server.url,
            "SUPABASE_KEY": supabase_server.publishable_key,
            "OPENAI_API_KEY": API_KEY,
            "SECONDLOOK_AGENT_RETRIES": "0",
            "OPENAI_BASE_URL": shared_provider.base_url,
            **settings,
        }
        door = FrontDoor(folder, {name: value for name, value in environment.items() if value is not None})
        opened.append(door)
        door.start()
        return door

    yield start
    for door in opened:
        door.close()


@pytest.fixture(scope="session")
def door(new_door: Callable[..., FrontDoor]) -> FrontDoor:
    """The front door that most tests use."""
    return new_door()


@pytest.fixture
def new_person(supabase_server: Server, door: FrontDoor) -> Callable[..., Someone]:
    """Makes people, each signed in; a role makes them a reviewer."""

    def make(role: str | None = None) -> Someone:
        user = sign_up(supabase_server)
        if role is not None:
            give_role(supabase_server, user.user_id, role)
        return Someone(door, supabase_server, user, user.access_token)

    return make


@pytest.fixture
def ann(new_person: Callable[..., Someone], provider: Provider) -> Someone:  # noqa: ARG001 -- it answers her
    """Somebody."""
    return new_person()


@pytest.fixture
def bob(new_person: Callable[..., Someone]) -> Someone:
    """Somebody else."""
    return new_person()


@pytest.fixture
def rita(new_person: Callable[..., Someone]) -> Someone:
    """A reviewer."""
    return new_person("reviewer")
