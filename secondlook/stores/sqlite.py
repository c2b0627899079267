"""The embedded store: the product's tables in an SQLite file (uuid, timestamps and JSON as text).

Other programs write there too, each in its own way. Ids are compared by their digits, times by their moment:
expressions of SQLite alone, so that indexes can hold them whoever writes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from secondlook.connections.database import Database, private_file, sqlite_engine
from secondlook.domain.bucket_rules import (
    BUCKET_COLUMNS,
    GENERATED,
    LATENCY_COLUMNS,
    PRICE_COLUMNS,
    RUNNABLE,
    WEEKS_COLUMN,
    confidence,
    price_total,
)
from secondlook.domain.identifiers import read_id
from secondlook.domain.names import shown_name
from secondlook.domain.snapshots import Snapshot, SnapshotPage, SnapshotRow
from secondlook.domain.sources import SortKey, Source, SourcePage, SourceQuery, SourceRecord, SourceRow
from secondlook.domain.stored_snapshots import read_snapshot
from secondlook.errors import SourceNotFound, StoreUnavailable
from secondlook.stores.samples import SampleSource, sample_sources
from secondlook.stores.source_order import Columns, SourceOrder

_metadata = sa.MetaData()

sources = sa.Table(
    "sources",
    _metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("user_id", sa.Text, nullable=False),
    sa.Column("source_type", sa.Text, nullable=False),
    sa.Column("source_name", sa.Text, nullable=False),
    sa.Column("created_at", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Index("sources_by_name", "user_id", "source_name"),
)

estimates = sa.Table(
    "estimates_normalized",
    _metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("estimate_id", sa.Text, nullable=False),
    sa.Column("source_id", sa.Text, sa.ForeignKey("sources.id"), nullable=False),
    sa.Column("created_at", sa.Text, nullable=False),
    sa.Column("closed_at", sa.Text, nullable=False),
    sa.Column("amount", sa.Numeric(12, 2), sa.CheckConstraint("amount >= 0"), nullable=False),
    sa.Column("status", sa.Text, sa.CheckConstraint("status in ('closed', 'accepted')"), nullable=False),
    sa.Column("job_type", sa.Text),
    sa.UniqueConstraint("source_id", "estimate_id"),
)

buckets = sa.Table(
    "estimate_buckets",
    _metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("source_id", sa.Text, sa.ForeignKey("sources.id"), nullable=False, unique=True),
    *(sa.Column(column, sa.Integer, nullable=False) for column in (*PRICE_COLUMNS, *LATENCY_COLUMNS)),
    sa.Column(WEEKS_COLUMN, sa.Text, nullable=False),
    sa.Column("created_at", sa.Text, nullable=False),
)

snapshots = sa.Table(
    "snapshots",
    _metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("source_id", sa.Text, sa.ForeignKey("sources.id"), nullable=False),
    sa.Column("user_id", sa.Text, nullable=False),
    sa.Column("estimate_count", sa.Integer, sa.CheckConstraint("estimate_count >= 25"), nullable=False),
    sa.Column(
        "confidence_level",
        sa.Text,
        sa.CheckConstraint("confidence_level in ('low', 'medium', 'high')"),
        nullable=False,
    ),
    sa.Column("result", sa.Text, nullable=False),
    sa.Column("generated_at", sa.Text, nullable=False),
    sa.Index("snapshots_by_source", "source_id", "generated_at"),
)


def _digits(column: sa.Column[Any]) -> str:
    """SQL for an id's 32 digits, however it is written."""
    return f"replace(replace(replace(lower({column.name}), '{{', ''), '}}', ''), '-', '')"


def _no_id(column: sa.Column[Any]) -> str:
    """SQL that is true of an id that is no UUID."""
    digits = _digits(column)
    return f"length({digits}) <> 32 or {digits} glob '*[^0-9a-f]*'"


def _moment(column: sa.Column[Any]) -> str:
    """SQL for a time in UTC whose binary order is that of time, its fraction included."""
    name = column.name
    utc = (
        f"case when substr({name}, -6, 1) in ('+', '-') and substr({name}, -3, 1) = ':' "
        f"and substr({name}, -5) <> '00:00' "
        f"then coalesce(strftime('%Y-%m-%dT%H:%M:%f', {name}), {name}) else {name} end"
    )
    return f"replace(substr({utc}, 1, 19), ' ', 'T') || rtrim(substr({utc}, 20), 'Z+-0:.')"


_NO_ID = "{}"


def _of(column: sa.Column[Any], write: Callable[[sa.Column[Any]], str]) -> sa.ColumnElement[str]:
    """An expression on a column as queries name it: with its table's name, which an index must not have."""
    qualified = sa.Column(f"{column.table.name}.{column.name}", sa.Text)
    return sa.literal_column(f"({write(qualified)})", sa.Text)


source_digits, source_owner = _of(sources.c.id, _digits), _of(sources.c.user_id, _digits)
snapshot_digits, snapshot_owner = _of(snapshots.c.id, _digits), _of(snapshots.c.user_id, _digits)
snapshot_source = _of(snapshots.c.source_id, _digits)
generated_moment = _of(snapshots.c.generated_at, _moment)
_NEWEST_FIRST = (generated_moment.desc(), snapshot_digits.desc())


def _index(name: str, *expressions: str, columns: Sequence[sa.Column[Any]]) -> sa.Index:
    return sa.Index(name, *(sa.text(expression) for expression in expressions), *columns)


# The columns behind the expressions are held too: SQLite before 3.41 reads a row that an index has only in
# expressions. A file of an earlier version gets these when it is opened.
_INDEXES = (
    _index(
        "sources_by_owner",
        *(_digits(sources.c.user_id), _digits(sources.c.id)),
        columns=(sources.c.user_id, sources.c.id, sources.c.status, sources.c.source_name),
    ),
    sa.Index("sources_without_id", sources.c.id, sqlite_where=sa.text(_no_id(sources.c.id))),
    _index("snapshots_by_id", _digits(snapshots.c.id), columns=(snapshots.c.id,)),
    _index(
        "snapshots_by_owner",
        *(_digits(snapshots.c.user_id), _moment(snapshots.c.generated_at), _digits(snapshots.c.id)),
        columns=(snapshots.c.user_id, snapshots.c.generated_at, snapshots.c.id),
    ),
    _index(
        "snapshots_by_owner_source",
        *(_digits(snapshots.c.user_id), _digits(snapshots.c.source_id)),
        *(_moment(snapshots.c.generated_at), _digits(snapshots.c.id)),
        columns=(
            snapshots.c.user_id,
            snapshots.c.source_id,
            snapshots.c.generated_at,
            snapshots.c.id,
        ),
    ),
)
_DEAD_INDEXES = ("snapshots_by_user", "snapshots_by_user_source")

_ORDER: dict[SortKey, sa.ColumnElement[str]] = {
    "name": sources.c.source_name,
    "type": sources.c.source_type,
    "status": sources.c.status,
    "created": _of(sources.c.created_at, _moment),
}
_BANDS = [buckets.c[column] for column in (*PRICE_COLUMNS, *LATENCY_COLUMNS)]


_ESTIMATES = (
    sa.select(sa.func.count())
    .where(estimates.c.source_id == sources.c.id)
    .correlate(sources)
    .scalar_subquery()
    .label("n")
)
_RECORD = sa.select(
    sources,
    buckets.c.id.label("buckets_id"),
    *_BANDS,
    buckets.c.weekly_volume,
    _ESTIMATES,
).outerjoin(buckets, buckets.c.source_id == sources.c.id)


def _users() -> sa.Select[tuple[str | None]]:
    """Whoever owns a source: each one's first in the index leads to the next, past all others of theirs."""
    first = sa.select(sa.func.min(sources.c.user_id).label("user")).cte("owners", recursive=True)
    beyond = sa.select(sa.func.min(sources.c.user_id)).where(sources.c.user_id > first.c.user)
    owners = first.union_all(sa.select(beyond.scalar_subquery()).where(first.c.user.is_not(None)))
    return sa.select(owners.c.user).where(owners.c.user.is_not(None))


_USERS = _users()


class SqliteStore:
    """The product's tables in one SQLite file; where it does not exist, it is made with sample sources.

    Args:
        path: The file; its folder is made where it is missing.
        samples: The sources that a new file starts with.

    Raises:
        StoreUnavailable: The file cannot be made, or is no database of these tables.
    """

    def __init__(self, path: Path, samples: Callable[[], Sequence[SampleSource]] = sample_sources) -> None:
        self._database = Database(
            sqlite_engine(private_file(path, StoreUnavailable), shared=True),
            lambda words: StoreUnavailable(f"The store {path} cannot be used: {words}"),
        )
        self._order = SourceOrder()
        if self._database.read(_is_new):
            self._database.write(lambda connection: _create(connection, samples))
        self.ping()
        if self._database.read(_lacks_index):
            self._database.write(_add_indexes)

    def load(self, source_id: str, user_id: str, *, with_snapshot: bool = False) -> SourceRecord | None:
        """See `Store.load`."""
        names = {"source": _hex(source_id), "user": _hex(user_id)}

        def read(connection: sa.Connection) -> SourceRecord | None:
            found = connection.execute(_SOURCE, names).one_or_none()
            if found is None:
                return None
            record = _record(found)
            if not with_snapshot:
                return record
            snapshot = connection.execute(_NEWEST, names).mappings().one_or_none()
            return record.model_copy(update={"snapshot": None if snapshot is None else _row(snapshot)})

        return self._database.read(read)

    def records(self, user_id: str, *, status: str, after: str, limit: int) -> list[SourceRecord]:
        """See `Store.records`."""
        if not _is_text(status):
            return []
        query = (
            _RECORD.where(
                source_owner == _hex(user_id),
                _NAMEABLE,
                sources.c.status == status,
                source_digits > (_hex(after) if after else ""),
                buckets.c.id.is_not(None),
            )
            .order_by(source_digits)
            .limit(limit)
        )
        return self._database.read(lambda connection: [_record(row) for row in connection.execute(query)])

    def save_snapshot(self, snapshot: Snapshot) -> None:
        """See `Store.save_snapshot`."""
        row = {
            "id": snapshot.snapshot_id,
            "source_id": snapshot.source_id,
            "user_id": snapshot.user_id,
            "estimate_count": snapshot.estimate_count,
            "confidence_level": snapshot.confidence_level,
            "result": snapshot.result.model_dump_json(),
            "generated_at": snapshot.generated_at,
        }

        def insert(connection: sa.Connection) -> None:
            given = {f"its_{name}": value for name, value in row.items()}
            names = {"source": _hex(snapshot.source_id), "user": _hex(snapshot.user_id)}
            if connection.execute(_STORE, {**given, **names}).rowcount:
                return
            stored = connection.execute(_STORED, {"snapshot": snapshot.snapshot_id}).mappings().one_or_none()
            if stored is None:
                raise SourceNotFound(hint="The source was deleted while its snapshot was made.")
            if _row(stored) != row:
                raise StoreUnavailable(
                    f"Snapshot {snapshot.snapshot_id} is stored already, with other content"
                )

        # On disk with the mark that follows: until then the ledger does not take it for stored.
        self._database.write_soft(insert)

    def mark_generated(self, source_id: str, user_id: str) -> bool:
        """See `Store.mark_generated`. When it has returned, the snapshot is on disk too."""
        names = {"source": _hex(source_id), "user": _hex(user_id)}
        return self._database.write(lambda connection: connection.scalar(_MARK, names)) == GENERATED

    def list_sources(self, user_id: str, query: SourceQuery) -> SourcePage:
        """See `Store.list_sources`."""
        if not _is_text(query.search) or not _is_text(query.status or ""):
            return SourcePage(rows=(), total=0)
        user = _hex(user_id)
        version = self._database.version()

        def read(connection: sa.Connection) -> SourcePage:
            def read_all() -> Columns:
                return Columns(*connection.execute(_LISTED[query.sort], {"user": user}).one())

            found = self._order.find(user, query, version, read_all)
            ids = found[query.offset : query.offset + query.limit]
            rows = {row.id: row for row in connection.execute(_PAGE, {"user": user, "ids": ids})}
            return SourcePage(
                rows=tuple(
                    _source_row(rows[each], with_buckets=query.with_buckets) for each in ids if each in rows
                ),
                total=len(found) if query.known_total is None else query.known_total,
            )

        return self._database.read(read)

    def get_snapshot(self, snapshot_id: str, user_id: str) -> Snapshot | None:
        """See `Store.get_snapshot`."""
        names = {"snapshot": _hex(snapshot_id), "user": _hex(user_id)}
        row = self._database.read(
            lambda connection: connection.execute(_SNAPSHOT, names).mappings().one_or_none()
        )
        return None if row is None else read_snapshot(_row(row))

    def list_snapshots(
        self, user_id: str, *, source_id: str | None = None, offset: int = 0, limit: int = 25
    ) -> SnapshotPage:
        """See `Store.list_snapshots`."""
        where = [snapshot_owner == _hex(user_id)]
        if source_id is not None:
            where.append(snapshot_source == _hex(source_id))
        page = (
            sa.select(snapshots.c.id)
            .where(*where)
            .order_by(*_NEWEST_FIRST)
            .limit(limit)
            .offset(offset)
            .cte("page")
        )
        rows = (
            sa.select(
                *(column for column in snapshots.c if column.name != "result"),
                sources.c.source_name,
                sources.c.id.label("its_source"),
            )
            .join(page, page.c.id == snapshots.c.id)
            .outerjoin(sources, (sources.c.id == snapshots.c.source_id) & (source_owner == _hex(user_id)))
            .order_by(*_NEWEST_FIRST)
        )
        total = sa.select(sa.func.count()).select_from(snapshots).where(*where)

        def read(connection: sa.Connection) -> SnapshotPage:
            found = tuple(_snapshot_row(row) for row in connection.execute(rows))
            return SnapshotPage(rows=found, total=connection.scalar(total) or 0)

        return self._database.read(read)

    def users(self) -> list[str]:
        """See `Store.users`: whoever owns a source."""
        found = self._database.read(lambda connection: connection.scalars(_USERS).all())
        return sorted({user for user in map(read_id, found) if user is not None})

    def ping(self) -> None:
        """See `Store.ping`."""
        self._database.read(lambda connection: connection.execute(sa.select(sources.c.id).limit(1)).all())

    @property
    def database(self) -> Database:
        """The file, for what writes estimates."""
        return self._database

    def close(self) -> None:
        """See `Store.close`."""
        self._database.close()


# Made once: to make them anew for each snapshot took longer than to run them.
_OWNED = (source_digits == sa.bindparam("source")) & (source_owner == sa.bindparam("user"))
_NAMEABLE = sources.c.id.not_in(
    sa.select(sa.literal_column("nameless.id", sa.Text))
    .select_from(sa.text("sources as nameless"))
    .where(sa.text(_no_id(sa.Column("nameless.id"))))
)
"""What is no UUID cannot be asked for by anybody."""


def _listed(sorted_by: sa.ColumnElement[str]) -> sa.Executable:
    """A user's sources, a JSON array a column: SQLite hands over rows at several times the cost."""
    texts = (sources.c.source_name, sources.c.status, sorted_by)
    given = (sa.case((sa.func.typeof(text) == "text", text), else_="") for text in texts)  # JSON has no bytes
    columns = (sources.c.id, source_digits, *given)
    return sa.select(*(sa.func.json_group_array(column, type_=sa.Text) for column in columns)).where(
        source_owner == sa.bindparam("user"),
        _NAMEABLE,
        sa.func.typeof(sources.c.id) == "text",
        sa.exists().where(buckets.c.source_id == sources.c.id),
    )


_LISTED = {sort: _listed(sorted_by) for sort, sorted_by in _ORDER.items()}
_NEWEST_ID = (
    sa.select(snapshots.c.id)
    .where(snapshots.c.source_id == sources.c.id, snapshot_owner == sa.bindparam("user"))
    .order_by(*_NEWEST_FIRST)
    .limit(1)
    .correlate(sources)
    .scalar_subquery()
)
_PAGE = (
    sa.select(sources, *_BANDS, buckets.c.weekly_volume, _ESTIMATES)
    .add_columns(snapshots.c.id.label("snapshot_id"), snapshots.c.generated_at.label("snapshot_at"))
    .join(buckets, buckets.c.source_id == sources.c.id)
    .outerjoin(snapshots, snapshots.c.id == _NEWEST_ID)
    .where(sources.c.id.in_(sa.bindparam("ids", expanding=True)))
)
_SOURCE = _RECORD.where(_OWNED).order_by(sources.c.id).limit(1)
_NEWEST = (
    sa.select(snapshots)
    .where(snapshot_source == sa.bindparam("source"), snapshot_owner == sa.bindparam("user"))
    .order_by(*_NEWEST_FIRST)
    .limit(1)
)
_SNAPSHOT = (
    sa.select(snapshots)
    .where(snapshot_digits == sa.bindparam("snapshot"), snapshot_owner == sa.bindparam("user"))
    .order_by(snapshots.c.id)
    .limit(1)
)
_STORED = sa.select(snapshots).where(snapshots.c.id == sa.bindparam("snapshot"))
_STORE = (  # nothing where the source is not there any more, or the snapshot is already
    sqlite.insert(snapshots)
    .from_select(
        [column.name for column in snapshots.c],
        sa.select(
            *(
                # A foreign key holds an id as it is written there, and so does whoever looks for its owner.
                {"source_id": sources.c.id, "user_id": sources.c.user_id}.get(
                    column.name, sa.bindparam(f"its_{column.name}", type_=column.type)
                )
                for column in snapshots.c
            )
        )
        .where(_OWNED)
        .order_by(sources.c.id)
        .limit(1),
    )
    .on_conflict_do_nothing(index_elements=[snapshots.c.id])
)
_MARK = (  # written where another status is left alone as well: only a transaction that writes is flushed
    sa.update(sources)
    .where(_OWNED)
    .values(status=sa.case((sources.c.status.in_((RUNNABLE, GENERATED)), GENERATED), else_=sources.c.status))
    .returning(sources.c.status)
)


def _is_new(connection: sa.Connection) -> bool:
    return not sa.inspect(connection).get_table_names()


def _lacks_index(connection: sa.Connection) -> bool:
    known = connection.exec_driver_sql("select name from sqlite_master where type = 'index'")
    return not {index.name for index in _INDEXES} <= set(known.scalars())


def _add_indexes(connection: sa.Connection) -> None:
    for name in _DEAD_INDEXES:
        connection.exec_driver_sql(f"drop index if exists {name}")
    known = set(connection.exec_driver_sql("select name from sqlite_master where type = 'index'").scalars())
    for index in _INDEXES:
        if index.name not in known:
            index.create(connection)


def _create(connection: sa.Connection, samples: Callable[[], Sequence[SampleSource]]) -> None:
    """Make and fill a new file's tables, whole or not at all; of two processes, the second finds them."""
    if _is_new(connection):
        _metadata.create_all(connection)
        _fill(connection, samples())


def _fill(connection: sa.Connection, samples: Sequence[SampleSource]) -> None:
    for sample in samples:
        connection.execute(sa.insert(sources).values(sample.source))
        if sample.buckets is not None:
            connection.execute(sa.insert(buckets).values(sample.buckets))
        if sample.snapshot is not None:
            connection.execute(sa.insert(snapshots).values(sample.snapshot))


def _is_text(text: str) -> bool:
    """False for what no column can hold: a command line's bytes that are no UTF-8 come as surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _text(value: object) -> str:
    """Foreign rows may hold anything: bytes are not shown."""
    return value if isinstance(value, str) else ""


def _id(value: object) -> str:
    """An id in the one writing; what is none stays as it is."""
    return read_id(value) or _text(value)


def _hex(identifier: str) -> str:
    """An id's digits, as `_digits` gives them; for what is no id a text that it never gives."""
    found = read_id(identifier)
    return _NO_ID if found is None else found.replace("-", "")


def _row(row: sa.RowMapping) -> dict[str, object]:
    """A row of snapshots, its ids in the one writing."""
    return {**row, **{name: _id(row[name]) for name in ("id", "source_id", "user_id")}}


def _source(row: sa.Row[Any]) -> Source:
    return Source(
        source_id=_id(row.id),
        user_id=_id(row.user_id),
        source_type=_text(row.source_type),
        source_name=_text(row.source_name),
        status=_text(row.status),
        created_at=_text(row.created_at),
    )


def _buckets(row: sa.Row[Any]) -> dict[str, object]:
    return {name: getattr(row, name) for name in BUCKET_COLUMNS}


def _record(row: sa.Row[Any]) -> SourceRecord:
    return SourceRecord(
        source=_source(row),
        buckets=None if row.buckets_id is None else _buckets(row),
        estimate_rows=row.n,
    )


def _source_row(row: sa.Row[Any], *, with_buckets: bool) -> SourceRow:
    count: int | None = row.n or price_total({column: getattr(row, column) for column in PRICE_COLUMNS})
    return SourceRow(
        source=_source(row),
        estimate_count=count,
        confidence_level=None if count is None else confidence(count),
        snapshot_id=_id(row.snapshot_id) or None,
        snapshot_at=_text(row.snapshot_at) or None,
        buckets=_buckets(row) if with_buckets else None,
    )


def _snapshot_row(row: sa.Row[Any]) -> SnapshotRow:
    count: object = row.estimate_count
    return SnapshotRow(
        snapshot_id=_id(row.id),
        source_id=_id(row.source_id),
        source_name="" if row.its_source is None else shown_name(_text(row.source_name), _id(row.its_source)),
        estimate_count=count if isinstance(count, int) and count >= 0 else None,
        confidence_level=_text(row.confidence_level),
        generated_at=_text(row.generated_at),
    )
