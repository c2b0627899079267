"""A ledger on each kind of database: what it guarantees does not depend on where it is."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path
from uuid import uuid4

import pytest

from secondlook.connections.database import Database
from secondlook.ledger.database import ledger_database
from secondlook.ledger.runs import Ledger, open_ledger
from secondlook.ledger.usage import UsageLog
from tests.ledger.executing import Where
from tests.postgres_server import PostgresServer

KINDS = ("sqlite", "postgres")


@pytest.fixture(params=KINDS)
def new_database(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Where]:
    """Names an empty database, another one each time."""
    if request.param == "sqlite":
        return lambda: tmp_path / f"ledger-{uuid4().hex}.db"
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return server.empty_schema


@pytest.fixture
def where(new_database: Callable[[], Where]) -> Where:
    """Where the test's ledger is: a file, or a URL."""
    return new_database()


@pytest.fixture
def database(where: Where) -> Generator[Database]:
    """The ledger's database."""
    opened = ledger_database(where)
    yield opened
    opened.close()


@pytest.fixture
def ledger(where: Where) -> Generator[Ledger]:
    """An empty ledger with a long lease."""
    opened = open_ledger(where, lease_seconds=15)
    yield opened
    opened.close()


@pytest.fixture
def usage(ledger: Ledger, where: Where) -> Generator[UsageLog]:
    """The ledger's usage, on connections of its own."""
    assert ledger.store == "embedded"
    database = ledger_database(where)
    yield UsageLog(database)
    database.close()
