"""The suite's own promises: no network, no settings of this machine."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from secondlook.settings import load_settings


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "api.openai.com"])
def test_no_test_reaches_the_network(host: str) -> None:
    """Neither by name nor by address; the failure is no Exception that a client would swallow."""
    with pytest.raises(pytest.fail.Exception, match="no test reaches the network") as caught:
        socket.create_connection((host, 443), timeout=1)
    assert not isinstance(caught.value, Exception)


def test_this_machine_is_reached() -> None:
    """Servers of the suite's own are."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()
        socket.create_connection(("localhost", server.getsockname()[1])).close()


def test_each_test_has_a_folder_of_its_own(tmp_path: Path) -> None:
    """Where stores and ledgers lie, and where .env files would be read."""
    assert Path.cwd() == tmp_path
    assert load_settings().data_dir == tmp_path / "data"
