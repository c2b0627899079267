"""A real Supabase for the tests that ask for one, its users, and its tables filled behind a store's back.

One server serves all tests of a process: it takes a second to start on Postgres and five on pglite. Tests
share its database, so each makes users of its own, or takes `supabase_tables`, which starts out empty.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import TypeAlias
from uuid import uuid4

import pytest

from dev.local_supabase import Server, Unavailable, local_supabase
from tests.tables import Tables

_PASSWORD = "looks-twice-in-tests"  # noqa: S105 -- of users that live as long as a test run
_TABLES = ("sources", "estimates_normalized", "estimate_buckets", "snapshots")


@dataclass(frozen=True)
class SupabaseUser:
    """Somebody who has just signed up, and is signed in."""

    user_id: str
    email: str
    password: str
    access_token: str
    refresh_token: str


NewUser: TypeAlias = Callable[[], SupabaseUser]


@pytest.fixture(scope="session")
def supabase_server() -> Generator[Server]:
    """The server; where none can run its tests are skipped, in CI they fail."""
    try:
        # A power cut may cost these data. A server that is there but fails to start is a failure.
        with local_supabase(fsync=False) as server:
            yield server
    except Unavailable as error:
        if "CI" in os.environ:
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.fixture
def new_supabase_user(supabase_server: Server) -> NewUser:
    """Makes users, as many as a test wants."""
    return lambda: sign_up(supabase_server)


@pytest.fixture
def supabase_user(new_supabase_user: NewUser) -> SupabaseUser:
    """One user."""
    return new_supabase_user()


@pytest.fixture
def supabase_tables(supabase_server: Server) -> SupabaseTables:
    """The product's tables, empty."""
    supabase_server.sql(f"truncate {', '.join(_TABLES)}")
    return SupabaseTables(supabase_server)


def sign_up(server: Server) -> SupabaseUser:
    """Make a user through the API, who is signed in at once."""
    email = f"{uuid4().hex}@example.com"
    made = server.ask("POST", "/auth/v1/signup", {"email": email, "password": _PASSWORD}).expect(200)
    return SupabaseUser(made["user"]["id"], email, _PASSWORD, made["access_token"], made["refresh_token"])


def sign_in(server: Server, user: SupabaseUser) -> SupabaseUser:
    """Start another session of a user."""
    credentials = {"email": user.email, "password": user.password}
    made = server.ask("POST", "/auth/v1/token?grant_type=password", credentials).expect(200)
    return SupabaseUser(user.user_id, user.email, user.password, made["access_token"], made["refresh_token"])


def minted_token(server: Server, user_id: str, *, seconds: float = 3600, secret: str | None = None) -> str:
    """An access token for any user id, even one that never signed up: the tables' API asks for no session.

    With negative seconds it has expired; with another secret it is forged.
    """
    now = int(time.time())
    claims = {
        "sub": user_id,
        "role": "authenticated",
        "aud": "authenticated",
        "iat": now,
        "exp": int(now + seconds),
    }
    header = {"alg": "HS256", "typ": "JWT"}
    signed = ".".join(_base64(json.dumps(part).encode()) for part in (header, claims))
    key = (secret or server.jwt_secret).encode()
    return f"{signed}.{_base64(hmac.digest(key, signed.encode(), hashlib.sha256))}"


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


class SupabaseTables(Tables):
    """See `tests.tables.Tables`: rows as the product writes them, past row level security."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def insert(self, table: str, rows: list[dict[str, object]]) -> None:
        """Insert through the API, with the secret key."""
        self.server.ask("POST", f"/rest/v1/{table}", rows, secret=True).expect(201)

    def add_sources(self, source_ids: Sequence[str], user_id: str) -> None:
        """See `Tables.add_sources`."""
        first, *others = source_ids
        self.add_source(first, user_id=user_id)
        for table, key in (("sources", "id"), ("estimate_buckets", "source_id")):
            path = f"/rest/v1/{table}?{key}=eq.{first}"
            (row,) = self.server.ask("GET", path, secret=True).expect(200)
            self.insert(
                table, [{**{name: row[name] for name in row if name != "id"}, key: other} for other in others]
            )

    def set_status(self, source_id: str, status: str) -> None:
        """See `Tables.set_status`."""
        self.server.sql("update sources set status = $1 where id = $2::text::uuid", status, source_id)

    def status(self, source_id: str) -> str:
        """See `Tables.status`."""
        return str(
            self.server.sql("select status from sources where id = $1::text::uuid", source_id)[0]["status"]
        )

    def count(self, table: str) -> int:
        """See `Tables.count`."""
        return int(self.server.sql(f"select count(*) as rows from {table}")[0]["rows"])  # noqa: S608 -- the suite's own names

    def columns(self) -> dict[str, list[str]]:
        """See `Tables.columns`."""
        found = self.server.sql(
            "select table_name, column_name from information_schema.columns "
            "where table_schema = 'public' order by table_name, ordinal_position"
        )
        columns: dict[str, list[str]] = {}
        for row in found:
            columns.setdefault(row["table_name"], []).append(row["column_name"])
        return columns
