"""Estimates in the embedded store: a whole import is one transaction.

Rows are first gathered in a temporary table, so that other writers wait for the last step alone.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa

from secondlook.connections.database import Database
from secondlook.domain.bucket_rules import (
    BUCKET_COLUMNS,
    RUNNABLE,
    WEEKS_COLUMN,
    price_total,
)
from secondlook.domain.identifiers import read_id
from secondlook.domain.sources import Source
from secondlook.errors import SourceNotFound
from secondlook.importing.bucketing import BucketCounts, bucket
from secondlook.importing.estimates import ImportedSource
from secondlook.stores.estimate_rows import COLUMNS, estimates_of, rows_of
from secondlook.stores.estimates import (
    Progress,
    StoredSource,
    check_can_be_bucketed,
    check_can_be_updated,
    check_has_estimates,
    imported_id,
    is_settled,
    same_buckets,
)
from secondlook.stores.sqlite import source_digits, source_owner, sources

_AT_ONCE = 50_000
"""Rows that are bucketed at once."""

_ROW = ", ".join(COLUMNS)
_OTHERS = COLUMNS[1:]

_STAGED = "create temporary table incoming (id text, source_id text, {})".format(
    ", ".join(f"{name} numeric" if name == "amount" else f"{name} text" for name in COLUMNS)
)
_STAGE = f"insert into temp.incoming (id, source_id, {_ROW}) values (?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 -- own names
_STAGED_KEY = "create index temp.incoming_by_estimate on incoming (source_id, estimate_id)"
_DIFFERS = " or ".join(f"held.{name} is not given.{name}" for name in _OTHERS)
_CHANGES = f"""select count(*) as given, count(held.id) as held,
    coalesce(sum(held.id is not null and ({_DIFFERS})), 0) as changed
    from temp.incoming as given
    left join estimates_normalized as held using (source_id, estimate_id)
    where given.source_id = ?"""  # noqa: S608 -- own names
_MERGE = f"""insert into estimates_normalized (id, source_id, {_ROW})
    select id, source_id, {_ROW} from temp.incoming where true order by rowid
    on conflict (source_id, estimate_id) do update
    set {", ".join(f"{name} = excluded.{name}" for name in _OTHERS)}
    where {" or ".join(f"{name} is not excluded.{name}" for name in _OTHERS)}"""  # noqa: S608 -- own names
_ROWS = f"select {_ROW} from estimates_normalized where source_id = ?"  # noqa: S608 -- own names
_KEPT = f"""{_ROWS} and not exists (select 1 from temp.incoming as given
    where given.source_id = estimates_normalized.source_id
    and given.estimate_id = estimates_normalized.estimate_id)"""  # noqa: S608 -- own names
_HELD_BUCKETS = f"select {', '.join(BUCKET_COLUMNS)} from estimate_buckets where source_id = ?"  # noqa: S608 -- own names
_WRITE_BUCKETS = f"""insert into estimate_buckets (id, source_id, created_at, {", ".join(BUCKET_COLUMNS)})
    values (?, ?, ?, {", ".join("?" * len(BUCKET_COLUMNS))})
    on conflict (source_id) do update set created_at = excluded.created_at,
    {", ".join(f"{name} = excluded.{name}" for name in BUCKET_COLUMNS)}"""  # noqa: S608 -- own names
_MARK = f"update sources set status = '{RUNNABLE}' where id = ?"  # noqa: S608 -- own names
_CHILDREN = ("estimates_normalized", "estimate_buckets", "snapshots")


class SqliteEstimates:
    """What writes estimates into an SQLite file.

    Args:
        database: The file, with the product's tables.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, name: str, user_id: str) -> Source | None:
        """See `EstimateStore.find`."""
        wanted = imported_id(name, _user(user_id))
        row = self._database.read(lambda connection: _find(connection, wanted, user_id))
        return None if row is None else _source(row)

    def put(
        self,
        sources: Sequence[ImportedSource],
        user_id: str,
        *,
        source_id: str | None = None,
        progress: Progress = lambda _rows: None,
    ) -> list[StoredSource]:
        """See `EstimateStore.put`: one transaction."""
        user = _user(user_id)
        wanted = [source_id or imported_id(source.name, user) for source in sources]
        known = self._database.read(lambda connection: [_find(connection, each, user) for each in wanted])
        if source_id is not None and known[0] is None:
            raise SourceNotFound
        ids = [each if row is None else str(row.id) for each, row in zip(wanted, known, strict=True)]

        def stage(connection: sa.Connection) -> None:
            connection.exec_driver_sql(_STAGED)
            stored = 0
            for source, its_id in zip(sources, ids, strict=True):
                for chunk in source.chunks():
                    rows = [
                        (made, its_id, *row)
                        for made, row in zip(_new_ids(len(chunk)), rows_of(chunk), strict=True)
                    ]
                    if rows:
                        connection.exec_driver_sql(_STAGE, rows)
                    stored += len(rows)
                    progress(stored)
            if any(row is not None for row in known):
                connection.exec_driver_sql(_STAGED_KEY)

        def work(connection: sa.Connection) -> list[StoredSource]:
            plans = [
                _plan(connection, source, its_id, user, must_exist=source_id is not None)
                for source, its_id in zip(sources, ids, strict=True)
            ]
            connection.exec_driver_sql(_MERGE)
            return [_settle(connection, plan) for plan in plans]

        return self._database.write_staged(stage, work)

    def bucket(self, source_id: str, user_id: str) -> StoredSource:
        """See `EstimateStore.bucket`: one transaction."""

        def work(connection: sa.Connection) -> StoredSource:
            row = _find(connection, source_id, user_id)
            if row is None:
                raise SourceNotFound
            check_can_be_bucketed(str(row.status))
            count = _count(connection, row.id)
            check_has_estimates(count)
            made = _bucketed(connection, _ROWS, row.id).row()
            plan = _Plan(row.id, str(row.source_name), row, made, added=0, changed=0)
            return _settle(connection, plan)

        return self._database.write(work)

    def delete(self, source_id: str, user_id: str) -> None:
        """See `EstimateStore.delete`: one transaction; what is deleted is overwritten in the file."""

        def work(connection: sa.Connection) -> None:
            row = _find(connection, source_id, user_id)
            if row is None:
                raise SourceNotFound
            connection.exec_driver_sql("pragma secure_delete = on")
            for table in _CHILDREN:
                connection.exec_driver_sql(f"delete from {table} where source_id = ?", (row.id,))  # noqa: S608 -- own names
            connection.exec_driver_sql("delete from sources where id = ?", (row.id,))

        self._database.write(work)
        self._database.purge_log()


@dataclass(frozen=True)
class _Plan:
    """What a source becomes: its row as it was, and the buckets that its estimates make."""

    stored_id: str
    name: str
    before: sa.Row[Any]
    made: Mapping[str, object]
    added: int
    changed: int
    is_new: bool = False


def _plan(
    connection: sa.Connection, source: ImportedSource, stored_id: str, user: str, *, must_exist: bool
) -> _Plan:
    row = _find(connection, stored_id, user)
    if row is None:
        if must_exist:  # deleted while its file was read
            raise SourceNotFound
        row = connection.execute(
            sa.insert(sources)
            .values(
                id=stored_id,
                user_id=user,
                source_type=source.source_type,
                source_name=source.name,
                created_at=_now(),
                status=RUNNABLE,
            )
            .returning(*sources.c)
        ).one()
        return _Plan(stored_id, source.name, row, source.buckets.row(), source.count, 0, is_new=True)
    check_can_be_updated(str(row.status))
    given, held, changed = connection.exec_driver_sql(_CHANGES, (stored_id,)).one()
    kept = _bucketed(connection, _KEPT, stored_id)
    made = (source.buckets + kept).row()
    return _Plan(stored_id, str(row.source_name), row, made, given - held, changed)


def _settle(connection: sa.Connection, plan: _Plan) -> StoredSource:
    """Write a source's buckets and status, where they are not as they should be."""
    status = str(plan.before.status)
    held = connection.exec_driver_sql(_HELD_BUCKETS, (plan.stored_id,)).mappings().one_or_none()
    same = same_buckets(None if held is None else dict(held), plan.made)
    unchanged = not (plan.added or plan.changed) and same and is_settled(status)
    if not unchanged:
        values = {**plan.made, WEEKS_COLUMN: json.dumps(plan.made[WEEKS_COLUMN], separators=(",", ":"))}
        connection.exec_driver_sql(
            _WRITE_BUCKETS, (str(uuid4()), plan.stored_id, _now(), *(values[name] for name in BUCKET_COLUMNS))
        )
        connection.exec_driver_sql(_MARK, (plan.stored_id,))
    return StoredSource(
        source_id=read_id(plan.stored_id) or plan.stored_id,
        source_name=plan.name,
        status=status if unchanged else RUNNABLE,
        change="new" if plan.is_new else "unchanged" if unchanged else "updated",
        estimate_count=_count(connection, plan.stored_id) or price_total(plan.made) or 0,
        added=plan.added,
        changed=plan.changed,
    )


def _bucketed(connection: sa.Connection, query: str, stored_id: str) -> BucketCounts:
    found = connection.exec_driver_sql(query, (stored_id,))
    made = BucketCounts()
    while rows := found.fetchmany(_AT_ONCE):
        made += bucket(estimates_of(rows))
    return made


def _count(connection: sa.Connection, stored_id: str) -> int:
    query = "select count(*) from estimates_normalized where source_id = ?"
    return connection.exec_driver_sql(query, (stored_id,)).scalar_one()


def _find(connection: sa.Connection, source_id: str, user_id: str) -> sa.Row[Any] | None:
    source, user = read_id(source_id), read_id(user_id)
    if source is None or user is None:
        return None
    owned = (source_digits == source.replace("-", "")) & (source_owner == user.replace("-", ""))
    return connection.execute(sa.select(sources).where(owned).order_by(sources.c.id).limit(1)).one_or_none()


def _source(row: sa.Row[Any]) -> Source:
    return Source(
        source_id=read_id(row.id) or str(row.id),
        user_id=read_id(row.user_id) or str(row.user_id),
        source_type=str(row.source_type),
        source_name=str(row.source_name),
        status=str(row.status),
        created_at=str(row.created_at),
    )


def _user(user_id: str) -> str:
    user = read_id(user_id)
    if user is None:
        raise SourceNotFound
    return user


def _new_ids(number: int) -> list[str]:
    """Random UUIDs, for all rows of a chunk at once."""
    digits = secrets.token_bytes(16 * number)
    return [str(UUID(bytes=digits[start : start + 16], version=4)) for start in range(0, 16 * number, 16)]


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
