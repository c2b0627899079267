"""Every test starts from a clean environment and an empty folder, and none reaches the network."""

from __future__ import annotations

import ipaddress
import logging
import os
import shutil
import socket
from collections.abc import Generator
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from secondlook import services
from secondlook.settings import Settings
from secondlook.stores.samples import PRACTICE_USERS

pytest_plugins = ("tests.provider", "tests.processes", "tests.postgres_server", "tests.supabase_server")

USER = PRACTICE_USERS[0]
Address: TypeAlias = Any  # a tuple, a path or a packed name, by the socket's family

hypothesis_settings.register_profile(
    "suite",
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],  # the machine may be busy
)
hypothesis_settings.load_profile("suite")


_SERVERS = {"browser", "postgres_server", "supabase_server"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what `make test` leaves out: what needs a browser, a Postgres or a Supabase, but for one walk."""
    for item in items:
        if _needs_server(item) and item.get_closest_marker("walk") is None:
            item.add_marker(pytest.mark.slow)


def _needs_server(item: pytest.Item) -> bool:
    if not isinstance(item, pytest.Function):
        return False
    chosen = item.callspec.params.values() if hasattr(item, "callspec") else ()
    kinds = [kind for kind in chosen if isinstance(kind, str) and kind.startswith(("postgres", "supabase"))]
    return bool(kinds) or not _SERVERS.isdisjoint(item.fixturenames)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, filled_store: Path) -> None:
    """No setting comes from the machine that runs the tests; the data folder has the practice data."""
    for name in list(os.environ):
        if name.startswith(("SECONDLOOK_", "OPENAI_", "AZURE_OPENAI_", "SUPABASE_", "NEXT_PUBLIC_SUPABASE_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SECONDLOOK_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "data").mkdir(mode=0o700)
    shutil.copy(filled_store, tmp_path / "data")
    monkeypatch.setenv("SECONDLOOK_USER", USER)  # the first user of the practice data


@pytest.fixture(autouse=True)
def closed_services(monkeypatch: pytest.MonkeyPatch, clean_environment: None) -> Generator[None]:  # noqa: ARG001 -- for its order
    """What a test opened through services is closed after it; the next one gets its own."""
    opened: list[services.Services] = []
    make = services.Services.__init__

    def noted(self: services.Services, settings: Settings) -> None:
        make(self, settings)
        opened.append(self)

    monkeypatch.setattr(services.Services, "__init__", noted)
    yield
    services._connect.cache_clear()  # pyright: ignore[reportPrivateUsage] -- connections outlive no test
    for each in opened:
        each.close()


@pytest.fixture(autouse=True)
def own_logging() -> Generator[None]:
    """A command that sends the log to its standard error does so for one test."""
    logger = logging.getLogger("secondlook")
    before = (list(logger.handlers), logger.level, logger.propagate)
    yield
    logger.handlers, logger.level, logger.propagate = before


@pytest.fixture(autouse=True, scope="session")
def no_network() -> Generator[None]:
    """Whoever looks up or connects to anything but this machine fails the test at once."""
    patch = pytest.MonkeyPatch()
    connect, connect_ex, look_up = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def guarded_connect(self: socket.socket, address: Address) -> None:
        _refuse_unless_local(self.family, address)
        connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: Address) -> int:
        _refuse_unless_local(self.family, address)
        return connect_ex(self, address)

    def guarded_look_up(host: Address, *args: Address, **options: Address) -> Address:
        _refuse_unless_local(socket.AF_INET, (host,))
        return look_up(host, *args, **options)

    patch.setattr(socket.socket, "connect", guarded_connect)
    patch.setattr(socket.socket, "connect_ex", guarded_connect_ex)
    patch.setattr(socket, "getaddrinfo", guarded_look_up)
    yield
    patch.undo()


def _refuse_unless_local(family: int, address: Address) -> None:
    if family not in {socket.AF_INET, socket.AF_INET6}:
        return
    host = address[0].decode() if isinstance(address[0], bytes) else str(address[0] or "localhost")
    try:
        ip = ipaddress.ip_address(host)
        local = ip.is_loopback or ip.is_unspecified
    except ValueError:
        local = host == "localhost"
    if not local:
        # Not an Exception: no client takes it for a network error and goes on.
        pytest.fail(f"no test reaches the network, this one asked for {host}")
