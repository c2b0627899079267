"""The product's tables, filled behind a store's back as another program would fill them."""

from __future__ import annotations

import json
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from uuid import uuid4

from secondlook.domain.snapshots import Snapshot
from secondlook.domain.stored_snapshots import read_snapshot
from secondlook.stores.base import Store
from tests.examples import USER, bucket_row


def newest(store: Store, source_id: str, user_id: str = USER) -> Snapshot | None:
    """A source's newest snapshot, as a page reads it."""
    record = store.load(source_id, user_id, with_snapshot=True)
    return None if record is None or record.snapshot is None else read_snapshot(record.snapshot)


class Tables(ABC):
    """What the store suite needs of a kind of database."""

    @abstractmethod
    def insert(self, table: str, rows: list[dict[str, object]]) -> None:
        """Insert rows; ids and times that they do not name are made up."""

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
        source = {"id": source_id, "user_id": user_id, "source_type": source_type, "source_name": name}
        self.insert("sources", [{**source, "created_at": created_at, "status": status}])
        if with_buckets:
            row = bucket_row() if buckets is None else buckets
            self.insert("estimate_buckets", [{"source_id": source_id, "created_at": created_at, **row}])
        return source_id

    @abstractmethod
    def add_sources(self, source_ids: Sequence[str], user_id: str) -> None:
        """Insert many sources with their buckets rows, at once."""

    def add_estimates(self, source_id: str, number: int) -> None:
        """Insert so many estimates."""
        estimate: dict[str, object] = {"source_id": source_id, "amount": 100, "status": "closed"}
        estimate |= {"created_at": "2026-01-01T00:00:00Z", "closed_at": "2026-01-02T00:00:00Z"}
        if number:
            rows = [{**estimate, "estimate_id": f"E-{index}"} for index in range(number)]
            self.insert("estimates_normalized", rows)

    @abstractmethod
    def set_status(self, source_id: str, status: str) -> None:
        """Change a source's status."""

    @abstractmethod
    def status(self, source_id: str) -> str:
        """A source's status."""

    @abstractmethod
    def count(self, table: str) -> int:
        """How many rows a table holds."""

    @abstractmethod
    def columns(self) -> dict[str, list[str]]:
        """Each table's columns, in their order."""


class EmbeddedTables(Tables):
    """The tables in an SQLite file that a store has made."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def run(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        """Execute one statement in a transaction of its own."""
        with closing(sqlite3.connect(self.path, timeout=10)) as connection, connection:
            return connection.execute(statement, values).fetchall()

    def insert(self, table: str, rows: list[dict[str, object]]) -> None:
        """See `Tables.insert`; JSON is kept as text."""
        with closing(sqlite3.connect(self.path, timeout=10)) as connection, connection:
            for row in rows:
                values = {"id": str(uuid4()), **row}
                written = [
                    each if isinstance(each, str | int) else json.dumps(each) for each in values.values()
                ]
                names, marks = ", ".join(values), ", ".join("?" * len(values))
                connection.execute(f"insert into {table} ({names}) values ({marks})", written)  # noqa: S608 -- the suite's own names

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
