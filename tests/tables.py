"""The product's tables, filled behind a store's back as another program would fill them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Protocol
from uuid import uuid4

from secondlook.domain.snapshots import Snapshot
from secondlook.domain.stored_snapshots import read_snapshot
from secondlook.stores.base import Store
from tests.examples import USER, bucket_row


def newest(store: Store, source_id: str, user_id: str = USER) -> Snapshot | None:
    """A source's newest snapshot, as a page reads it."""
    record = store.load(source_id, user_id, with_snapshot=True)
    return None if record is None or record.snapshot is None else read_snapshot(record.snapshot)


class Tables(Protocol):
    """What the store suite needs of a kind of database."""

    def add_source(
        self,
        source_id: str,
        *,
        user_id: str = USER,
        name: str = "A source",
        status: str = "bucketed",
        source_type: str = "csv",
        created_at: str = "2026-01-05T08:00:00Z",
        buckets: dict[str, object] | None = None,
        with_buckets: bool = True,
    ) -> str:
        """Insert a source and, unless told not to, its buckets row."""
        ...

    def add_sources(self, source_ids: Sequence[str], user_id: str) -> None:
        """Insert many sources with their buckets rows, at once."""
        ...

    def add_estimates(self, source_id: str, number: int) -> None:
        """Insert so many estimates."""
        ...

    def set_status(self, source_id: str, status: str) -> None:
        """Change a source's status."""
        ...

    def status(self, source_id: str) -> str:
        """A source's status."""
        ...

    def count(self, table: str) -> int:
        """How many rows a table holds."""
        ...

    def columns(self) -> dict[str, list[str]]:
        """Each table's columns, in their order."""
        ...


class EmbeddedTables:
    """The tables in an SQLite file that a store has made."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def run(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        """Execute one statement in a transaction of its own."""
        with closing(sqlite3.connect(self.path, timeout=10)) as connection, connection:
            return connection.execute(statement, values).fetchall()

    def add_source(
        self,
        source_id: str,
        *,
        user_id: str = USER,
        name: str = "A source",
        status: str = "bucketed",
        source_type: str = "csv",
        created_at: str = "2026-01-05T08:00:00Z",
        buckets: dict[str, object] | None = None,
        with_buckets: bool = True,
    ) -> str:
        """See `Tables.add_source`."""
        self.run(
            "insert into sources (id, user_id, source_type, source_name, created_at, status) "
            "values (?, ?, ?, ?, ?, ?)",
            *(source_id, user_id, source_type, name, created_at, status),
        )
        if with_buckets:
            row = bucket_row() if buckets is None else buckets
            written = {
                column: value if isinstance(value, str | int) else json.dumps(value)
                for column, value in row.items()
            }
            names = ", ".join(("id", "source_id", "created_at", *written))
            marks = ", ".join("?" * (3 + len(written)))
            self.run(
                f"insert into estimate_buckets ({names}) values ({marks})",  # noqa: S608 -- the suite's own names
                *(str(uuid4()), source_id, created_at, *written.values()),
            )
        return source_id

    def add_sources(self, source_ids: Sequence[str], user_id: str) -> None:
        """See `Tables.add_sources`."""
        first, *others = source_ids
        self.add_source(first, user_id=user_id)
        with closing(sqlite3.connect(self.path, timeout=10)) as connection, connection:
            for table, key in (("sources", "id"), ("estimate_buckets", "source_id")):
                described = connection.execute(f"pragma table_info({table})")
                names = [str(row[1]) for row in described]
                own = {"id": "lower(hex(randomblob(16)))", key: "?"}
                values = ", ".join(own.get(name, name) for name in names)
                copy = f"insert into {table} select {values} from {table} where {key} = ?"  # noqa: S608 -- the suite's own names
                connection.executemany(copy, [(other, first) for other in others])

    def add_estimates(self, source_id: str, number: int) -> None:
        """See `Tables.add_estimates`."""
        for index in range(number):
            self.run(
                "insert into estimates_normalized "
                "(id, estimate_id, source_id, created_at, closed_at, amount, status) "
                "values (?, ?, ?, '2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z', 100, 'closed')",
                *(str(uuid4()), f"E-{index}", source_id),
            )

    def set_status(self, source_id: str, status: str) -> None:
        """See `Tables.set_status`."""
        self.run("update sources set status = ? where id = ?", status, source_id)

    def status(self, source_id: str) -> str:
        """See `Tables.status`."""
        return str(self.run("select status from sources where id = ?", source_id)[0][0])

    def count(self, table: str) -> int:
        """See `Tables.count`."""
        found = self.run(f"select count(*) from {table}")[0][0]  # noqa: S608 -- the suite's own names
        assert isinstance(found, int)
        return found

    def columns(self) -> dict[str, list[str]]:
        """See `Tables.columns`."""
        tables = self.run("select name from sqlite_master where type = 'table'")
        return {
            str(name): [str(row[1]) for row in self.run(f"pragma table_info({name})")] for (name,) in tables
        }
