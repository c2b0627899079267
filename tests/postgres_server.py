"""A throwaway Postgres server for each of pytest's processes, and empty databases on it."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator
from contextlib import closing
from typing import Any, LiteralString, cast
from uuid import uuid4

import psycopg
import pytest

from dev.local_supabase import Postgres, local_postgres, postgres_bin


class PostgresServer:
    """A server that tests may stop; what it holds is not meant to last.

    Args:
        server: It, running.
    """

    def __init__(self, server: Postgres) -> None:
        self._server = server

    def start(self) -> None:
        """Start it where it was stopped, and wait until it answers."""
        self._server.start()

    def stop(self, how: signal.Signals | None = None) -> None:
        """End it and every connection: in order, or at once with SIGQUIT."""
        self._server.stop(how)

    def empty_database(self) -> str:
        """The URL of a database that nobody has."""
        name = f"test_{uuid4().hex}"
        self.execute(cast("LiteralString", f"create database {name}"))
        return self._server.url(name)

    def empty_schema(self) -> str:
        """The URL of a schema that nobody has, in a shared database: a hundred times faster to make."""
        name = f"test_{uuid4().hex}"
        self.execute(cast("LiteralString", f"create schema {name}"))
        return f"{self._server.url()}?options=-csearch_path%3D{name}"

    def execute(self, statement: LiteralString) -> list[tuple[Any, ...]]:
        """One statement in the shared database, outside of a transaction, as the superuser."""
        return execute(self._server.url(), statement)


def execute(url: str, statement: LiteralString, *values: object) -> list[tuple[Any, ...]]:
    """One statement, past whatever is tested, with what it returns."""
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        cursor = connection.execute(statement, values or None)
        return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="session")
def postgres_server() -> Generator[PostgresServer]:
    """A real server; without its programs the tests on Postgres are skipped, in CI they fail."""
    if postgres_bin() is None:
        message = "the tests on Postgres need its server (Debian: apt-get install postgresql)"
        if "CI" in os.environ:
            pytest.fail(message)
        pytest.skip(message)
    # A power cut may cost these data.
    with local_postgres(fsync=False) as server:
        yield PostgresServer(server)
