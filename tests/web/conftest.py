"""A Supabase behind a relay, and the front door in front of it: one of each serves a module."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from dev.local_supabase import Server
from tests.web.relay import Relay, relaying
from tests.web.serving import Served, serving, settings_for


@pytest.fixture(scope="session")
def running_relay(supabase_server: Server) -> Generator[Relay]:
    """The relay; tests take `relay`."""
    with relaying(supabase_server.url) as made:
        yield made


@pytest.fixture
def relay(running_relay: Relay) -> Generator[Relay]:
    """The relay, which lets everything pass until a test changes the weather."""
    running_relay.reset()
    yield running_relay
    running_relay.reset()


@pytest.fixture(scope="module")
def running_door(
    supabase_server: Server, running_relay: Relay, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Served]:
    """The front door of a module; tests take `door`."""
    with serving(tmp_path_factory.mktemp("door"), settings_for(supabase_server, running_relay)) as served:
        yield served


@pytest.fixture
def door(running_door: Served, relay: Relay) -> Served:  # noqa: ARG001 -- for its weather
    """The front door on Supabase; nobody has tried to sign in yet."""
    running_door.begin()
    return running_door


@pytest.fixture(scope="module")
def embedded_door(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    """The front door on the embedded store."""
    with serving(tmp_path_factory.mktemp("embedded"), {}) as served:
        yield served


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a front door of the test's own lives."""
    return tmp_path / "own"
