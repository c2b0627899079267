"""The people that a new local Supabase starts with, and their sources."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from secondlook.stores.samples import MADE_UP_USER, PRACTICE_USERS, sample_sources

from .server import Server

_BATCH = 100


@dataclass(frozen=True)
class Person:
    """Somebody who can sign in."""

    email: str
    password: str
    sample_users: tuple[str, ...] = ()
    """Whose sample sources are theirs."""
    role: str | None = None
    """In app_metadata, which nobody can write about themselves."""


_FIRST, _SECOND = PRACTICE_USERS
PEOPLE = (
    Person("ana@example.com", "ana-looks-twice", sample_users=(MADE_UP_USER, _FIRST)),
    Person("ben@example.com", "ben-looks-twice", sample_users=(_SECOND,)),
    Person("rev@example.com", "rev-looks-twice", role="reviewer"),
)


def welcome(server: Server, person: Person) -> str:
    """Make a person, their role and their sources, whatever of it is missing, and give their id."""
    credentials = {"email": person.email, "password": person.password}
    # 422: registered already, perhaps with another password by now.
    server.ask("POST", "/auth/v1/signup", credentials).expect(200, 422)
    user_id = str(server.sql("select id from auth.users where email = $1", person.email)[0]["id"])
    if person.role:
        give_role(server, user_id, person.role)
    if person.sample_users and not _owns_sources(server, user_id):
        _fill(server, person.sample_users, user_id)
    return user_id


def give_role(server: Server, user_id: str, role: str) -> None:
    """Set a role in app_metadata; it counts from the next time that the user is read."""
    # lite has no admin API, and on Postgres it stores this column as a JSON text inside the JSON.
    server.sql(
        "update auth.users set raw_app_meta_data = "
        "(raw_app_meta_data #>> '{}')::jsonb || jsonb_build_object('role', $1::text) "
        "where id = $2::text::uuid",
        *(role, user_id),
    )


def _owns_sources(server: Server, user_id: str) -> bool:
    found = server.ask("GET", f"/rest/v1/sources?select=id&limit=1&user_id=eq.{user_id}", secret=True)
    return bool(found.expect(200))


def _fill(server: Server, sample_users: tuple[str, ...], user_id: str) -> None:
    mine = [sample for sample in sample_sources() if sample.source["user_id"] in sample_users]
    buckets = [sample.buckets for sample in mine if sample.buckets is not None]
    _insert(server, "sources", [{**sample.source, "user_id": user_id} for sample in mine])
    _insert(server, "estimate_buckets", [{**row, "weekly_volume": _weeks(row)} for row in buckets])
    snapshots = [sample.snapshot for sample in mine if sample.snapshot is not None]
    rows = [{**row, "user_id": user_id, "result": json.loads(str(row["result"]))} for row in snapshots]
    _insert(server, "snapshots", rows)


def _insert(server: Server, table: str, rows: list[dict[str, Any]]) -> None:
    for start in range(0, len(rows), _BATCH):
        server.ask(
            "POST",
            f"/rest/v1/{table}?on_conflict=id",
            rows[start : start + _BATCH],
            secret=True,
            headers={"Prefer": "resolution=ignore-duplicates"},
        ).expect(200, 201)


def _weeks(row: dict[str, object]) -> object:
    """The samples hold weekly_volume as SQLite does, as text."""
    return json.loads(str(row["weekly_volume"]))
