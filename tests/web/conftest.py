"""A Supabase behind a proxy, and the front door in front of it: one of each serves all tests of a process."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import pytest

from dev.local_supabase import Server
from tests.ledger.conftest import database, new_database, where
from tests.supabase.proxy import Proxy
from tests.web.serving import Served, serving, settings_for

__all__ = ["database", "new_database", "where"]  # fixtures


@pytest.fixture(scope="session")
def running_proxy(supabase_server: Server) -> Generator[Proxy]:
    """The proxy; tests take `proxy`."""
    with closing(Proxy(supabase_server.url)) as made:
        yield made


@pytest.fixture
def proxy(running_proxy: Proxy) -> Generator[Proxy]:
    """The proxy, which passes everything through until a test spoils it."""
    running_proxy.forget()
    yield running_proxy
    running_proxy.mend()


@pytest.fixture(scope="session")
def running_door(
    supabase_server: Server, running_proxy: Proxy, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Served]:
    """The front door on Supabase; tests take `door`."""
    with serving(tmp_path_factory.mktemp("door"), settings_for(supabase_server, running_proxy)) as served:
        yield served


@pytest.fixture
def door(running_door: Served, proxy: Proxy) -> Served:  # noqa: ARG001 -- for its behavior
    """The front door on Supabase; nobody has tried to sign in yet."""
    running_door.begin()
    return running_door


@pytest.fixture(scope="session")
def embedded_door(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    """The front door on the embedded store."""
    with serving(tmp_path_factory.mktemp("embedded"), {}) as served:
        yield served


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a front door of the test's own lives."""
    return tmp_path / "own"
