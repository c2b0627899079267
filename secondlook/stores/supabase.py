"""The production store: the product's tables behind Supabase's Data API (PostgREST).

Row security shows a person their own rows alone; every request names the user all the same, since the
secret key passes it. Nothing is written but the columns of docs/contract.md.
"""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

import httpx
from postgrest import CountMethod, ReturnMethod
from postgrest.exceptions import APIError

from secondlook.connections.supabase import (
    EARLY_SECONDS,
    Project,
    clocks_differ,
    is_early,
    session_over,
    unreachable,
)
from secondlook.domain.bucket_rules import (
    BUCKET_COLUMNS,
    GENERATED,
    PRICE_COLUMNS,
    RUNNABLE,
    confidence,
    price_total,
)
from secondlook.domain.identifiers import read_id
from secondlook.domain.names import shown_name
from secondlook.domain.snapshots import Snapshot, SnapshotPage, SnapshotRow
from secondlook.domain.sources import Source, SourcePage, SourceQuery, SourceRecord, SourceRow
from secondlook.domain.stored_snapshots import read_snapshot
from secondlook.errors import SecondlookError, SourceNotFound, StoreUnavailable

if TYPE_CHECKING:
    from postgrest import APIResponse

Row = Mapping[str, Any]  # what JSON holds

T = TypeVar("T")

_SOURCE = "id,user_id,source_type,source_name,created_at,status"
_PRICES = ",".join(PRICE_COLUMNS)
_BUCKETS = ",".join(BUCKET_COLUMNS)
_SNAPSHOT = "id,source_id,user_id,estimate_count,confidence_level,result,generated_at"
_SNAPSHOT_ROW = "id,source_id,estimate_count,confidence_level,generated_at"
_COUNT = "estimates_normalized(count)"  # a number: no row of estimates is ever fetched

_LONGEST = 10_000
_LONGEST_PATTERN = 500
_REGEX_SIGNS = frozenset("\\.*+?()[]{}|^$")

_ORDER = {"name": "source_name", "type": "source_type", "status": "status", "created": "created_at"}

_MISSING = {"42P01", "42703", "PGRST200", "PGRST202", "PGRST204", "PGRST205"}
"""A table, a column or a relation is not there."""

TOKEN_CODES = {"PGRST301", "PGRST302", "PGRST303"}
"""The token is expired, forged, or none."""


class Tables:
    """The product's tables behind the Data API, as one who asks may read and write them.

    Args:
        project: Where they are.
        token: Gives the asking person's access token; None asks with the project's key alone.
    """

    def __init__(self, project: Project, token: Callable[[], str] | None = None) -> None:
        self._project = project
        self._token = token

    def _rows(self, query: Query) -> list[Row]:
        return _rows(self._send(query))

    def _send(self, query: Query) -> APIResponse:
        try:
            return send(query)
        except Refused as refused:
            if self._token is not None and refused.sqlstate in TOKEN_CODES:
                raise session_over() from None
            raise

    def _table(self, name: str) -> Any:  # noqa: ANN401 -- the builder's types differ with each step
        return self._project.client(None if self._token is None else self._token()).table(name)


class SupabaseStore(Tables):
    """The product's tables as one who asks may see them; made as `Tables` are."""

    def load(self, source_id: str, user_id: str, *, with_snapshot: bool = False) -> SourceRecord | None:
        """See `Store.load`: one request."""
        source, user = read_id(source_id), read_id(user_id)
        if source is None or user is None:
            return None
        wanted = [_SOURCE, f"estimate_buckets({_BUCKETS})", _COUNT]
        if with_snapshot:
            wanted.append(f"snapshots({_SNAPSHOT})")
        query = self._table("sources").select(*wanted).eq("id", source).eq("user_id", user)
        if with_snapshot:
            query = (
                query.eq("snapshots.user_id", user)
                .order("generated_at", desc=True, foreign_table="snapshots")
                .order("id", desc=True, foreign_table="snapshots")
                .limit(1, foreign_table="snapshots")
            )
        rows = self._rows(query)
        if not rows:
            return None
        return _as(_record, rows[0])

    def records(self, user_id: str, *, status: str, after: str, limit: int) -> list[SourceRecord]:
        """See `Store.records`: one request."""
        user = read_id(user_id)
        if user is None or not _is_text(status):
            return []
        query = (
            self._table("sources")
            .select(_SOURCE, f"estimate_buckets!inner({_BUCKETS})", _COUNT)
            .eq("user_id", user)
            .filter("status", "in", f"({_quoted(status)})")
            .order("id")
            .limit(limit)
        )
        if after:
            query = query.gt("id", after)
        return [_as(_record, row) for row in self._rows(query)]

    def save_snapshot(self, snapshot: Snapshot) -> None:
        """See `Store.save_snapshot`: one request, and another where the id is there already."""
        row = {
            "id": snapshot.snapshot_id,
            "source_id": snapshot.source_id,
            "user_id": snapshot.user_id,
            "estimate_count": snapshot.estimate_count,
            "confidence_level": snapshot.confidence_level,
            "result": snapshot.result.model_dump(mode="json"),
            "generated_at": snapshot.generated_at,
        }
        query = self._table("snapshots").insert(row, returning=ReturnMethod.minimal)
        try:
            if self._send(query).data != []:  # the answer to a minimal insert is empty: anything else is none
                raise _odd()
        except Refused as refused:
            if refused.sqlstate == "23503":
                raise SourceNotFound(hint="The source was deleted while its snapshot was made.") from None
            if refused.sqlstate != "23505":
                raise
            if self.get_snapshot(snapshot.snapshot_id, snapshot.user_id) != snapshot:
                raise StoreUnavailable(
                    f"Snapshot {snapshot.snapshot_id} is stored already, with other content"
                ) from None

    def mark_generated(self, source_id: str, user_id: str) -> bool:
        """See `Store.mark_generated`: one request, which says whether a row was changed."""
        source, user = read_id(source_id), read_id(user_id)
        if source is None or user is None:
            return False
        query = (
            self._table("sources")
            .update({"status": GENERATED})
            .eq("id", source)
            .eq("user_id", user)
            .in_("status", (RUNNABLE, GENERATED))
            .select("id")
        )
        return len(self._rows(query)) == 1

    def list_sources(self, user_id: str, query: SourceQuery) -> SourcePage:
        """See `Store.list_sources`: one request, counted, filtered, sorted and cut by the server.

        Names come in the order of the database's collation, which is that of `sort_key` on a hosted project:
        PostgREST can ask for no other.
        """
        user = read_id(user_id)
        if user is None or not _is_text(query.search + (query.status or "")):
            return SourcePage(rows=(), total=0)
        counted = CountMethod.exact if query.known_total is None else None
        rows = (
            self._table("sources")
            .select(
                _SOURCE,
                f"estimate_buckets!inner({_BUCKETS if query.with_buckets else _PRICES})",
                _COUNT,
                "snapshots(id,generated_at)",
                count=counted,
            )
            .eq("user_id", user)
            .eq("snapshots.user_id", user)
            .order("generated_at", desc=True, foreign_table="snapshots")
            .order("id", desc=True, foreign_table="snapshots")
            .limit(1, foreign_table="snapshots")
            .order(_ORDER[query.sort], desc=query.descending)
            .order("id")
            .limit(query.limit)
            .offset(query.offset)
        )
        if query.status is not None:
            rows = rows.filter("status", "in", f"({_quoted(query.status)})")  # quoted: `true` is a text too
        if query.search:
            rows = rows.filter("source_name", "imatch", _pattern(query.search))
        try:
            answer = self._send(rows)
        except Refused as refused:
            if refused.sqlstate != "PGRST103":  # the page begins after the last row
                raise
            first = query.model_copy(update={"offset": 0, "limit": 1})
            return SourcePage(rows=(), total=self.list_sources(user_id, first).total)
        total = answer.count if counted else query.known_total
        if total is None:
            raise StoreUnavailable("Supabase did not count the sources")
        read = partial(_source_row, with_buckets=query.with_buckets)
        return SourcePage(rows=tuple(_as(read, row) for row in _rows(answer)), total=total)

    def get_snapshot(self, snapshot_id: str, user_id: str) -> Snapshot | None:
        """See `Store.get_snapshot`: one request."""
        snapshot, user = read_id(snapshot_id), read_id(user_id)
        if snapshot is None or user is None:
            return None
        query = self._table("snapshots").select(_SNAPSHOT).eq("id", snapshot).eq("user_id", user)
        rows = self._rows(query)
        return _as(lambda row: read_snapshot(_in_utc(row, "generated_at")), rows[0]) if rows else None

    def list_snapshots(
        self, user_id: str, *, source_id: str | None = None, offset: int = 0, limit: int = 25
    ) -> SnapshotPage:
        """See `Store.list_snapshots`: one request, counted and cut by the server."""
        user, source = read_id(user_id), None if source_id is None else read_id(source_id)
        if user is None or (source_id is not None and source is None):
            return SnapshotPage(rows=(), total=0)
        query = (
            self._table("snapshots")
            .select(_SNAPSHOT_ROW, "sources(source_name)", count=CountMethod.exact)
            .eq("user_id", user)
            .eq("sources.user_id", user)
            .order("generated_at", desc=True)
            .order("id", desc=True)
            .limit(limit)
            .offset(offset)
        )
        if source is not None:
            query = query.eq("source_id", source)
        try:
            answer = self._send(query)
        except Refused as refused:
            if refused.sqlstate != "PGRST103":  # the page begins after the last row
                raise
            return self.list_snapshots(user_id, source_id=source_id, limit=1).model_copy(update={"rows": ()})
        if answer.count is None:
            raise StoreUnavailable("Supabase did not count the snapshots")
        return SnapshotPage(rows=tuple(_as(_snapshot_row, row) for row in _rows(answer)), total=answer.count)

    def users(self) -> list[str]:
        """See `Store.users`: people sign in."""
        return []

    def ping(self) -> None:
        """See `Store.ping`: asks for no row, but for every table, column and relation.

        Without a session and without the secret key there may be no right to read: that is an answer too.
        """
        query = (
            self._table("sources")
            .select(_SOURCE, f"estimate_buckets({_BUCKETS})", _COUNT, f"snapshots({_SNAPSHOT})")
            .limit(0)
        )
        try:
            self._rows(query)
        except Refused as refused:
            if refused.sqlstate != "42501":
                raise

    def close(self) -> None:
        """See `Store.close`: the connections are the project's."""


class Query(Protocol):
    """A request that is ready to be sent."""

    def execute(self) -> APIResponse:
        """Send it."""
        ...


class Refused(StoreUnavailable):
    """PostgREST refused a request.

    Attributes:
        sqlstate: Postgres' or PostgREST's code of the reason.
    """

    def __init__(self, message: str, sqlstate: str) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate


def send(query: Query) -> APIResponse:
    """Send a request; once more where the connection broke or its token is not valid yet.

    Each may safely be repeated.

    Raises:
        SecondlookError: What went wrong, without what was sent.
    """
    try:
        try:
            return query.execute()
        except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
            return query.execute()
        except APIError as error:
            if not _is_early(error):
                raise
            time.sleep(EARLY_SECONDS)
            return query.execute()
    except APIError as error:
        raise clocks_differ() if _is_early(error) else _refusal(error) from None
    except httpx.HTTPError as error:
        raise unreachable(error) from None
    except (ValueError, RecursionError, httpx.InvalidURL):
        raise _odd() from None


def _is_early(error: APIError) -> bool:
    return str(error.code or "") in TOKEN_CODES and is_early(str(error.message or ""))


def _odd() -> StoreUnavailable:
    return StoreUnavailable("Supabase answered with something that is not its Data API's")


def _refusal(error: APIError) -> SecondlookError:
    code, words = str(error.code or ""), " ".join(str(error.message or "").split())[:200]
    if code in TOKEN_CODES or "API key" in words:
        refused = Refused(f"Supabase does not accept the key ({code or 'no code'}): {words}", code)
        refused.hint = "Look at SUPABASE_KEY, and SUPABASE_SECRET_KEY for the command line."
        return refused
    if code in _MISSING:
        refused = Refused(f"Supabase lacks a table or a column: {words}", code)
        refused.hint = "Run supabase/migrations on the project, then `secondlook check`."
        return refused
    if not code.isalnum():
        words = words or "no reason given"
    return Refused(f"Supabase refused the request ({code or 'no code'}): {words}", code)


def read_rows(query: Query) -> list[Row]:
    """Send a request and give the rows of its answer."""
    return _rows(send(query))


def _rows(answer: APIResponse) -> list[Row]:
    """The rows of an answer; a web page with status 200 has none."""
    data = cast("object", answer.data)
    if not isinstance(data, list) or not all(isinstance(row, dict) for row in data):  # pyright: ignore[reportUnknownVariableType] -- JSON
        raise _odd()
    return cast("list[Row]", data)


def _as(read: Callable[[Row], T], row: Row) -> T:
    """A row as the project knows it; one of another shape was not written by PostgREST."""
    try:
        return read(row)
    except (KeyError, TypeError, ValueError):
        raise _odd() from None


def _one(embedded: object) -> Row | None:
    """An embedded row; the server gives an object where it knows that there is one at most."""
    if isinstance(embedded, list):
        rows = cast("list[object]", embedded)
        embedded = rows[0] if rows else None
    if embedded is not None and not isinstance(embedded, dict):
        raise TypeError
    return cast("Row | None", embedded)


def _estimates(row: Row) -> int:
    counted = _one(row.get("estimates_normalized"))
    number = None if counted is None else counted.get("count")
    if type(number) is not int:  # true is none
        raise StoreUnavailable("Supabase did not count the estimates")
    return number


def _source(row: Row) -> Source:
    return Source(
        source_id=str(row["id"]),
        user_id=str(row["user_id"]),
        source_type=str(row["source_type"] or ""),
        source_name=str(row["source_name"] or ""),
        status=str(row["status"] or ""),
        created_at=_utc(row["created_at"]),
    )


def _record(row: Row) -> SourceRecord:
    snapshot = _one(row.get("snapshots"))
    return SourceRecord(
        source=_source(row),
        buckets=_one(row["estimate_buckets"]),
        estimate_rows=_estimates(row),
        snapshot=None if snapshot is None else _in_utc(snapshot, "generated_at"),
    )


def _source_row(row: Row, *, with_buckets: bool) -> SourceRow:
    buckets = _one(row["estimate_buckets"])
    count = _estimates(row) or price_total(buckets or {})
    newest = _one(row.get("snapshots"))
    return SourceRow(
        source=_source(row),
        estimate_count=count,
        confidence_level=None if count is None else confidence(count),
        snapshot_id=None if newest is None else str(newest["id"]),
        snapshot_at=None if newest is None else _utc(newest["generated_at"]),
        buckets=buckets if with_buckets else None,
    )


def _snapshot_row(row: Row) -> SnapshotRow:
    source = _one(row["sources"])
    return SnapshotRow(
        snapshot_id=str(row["id"]),
        source_id=str(row["source_id"]),
        source_name=""
        if source is None
        else shown_name(str(source["source_name"] or ""), str(row["source_id"])),
        estimate_count=row["estimate_count"],
        confidence_level=str(row["confidence_level"] or ""),
        generated_at=_utc(row["generated_at"]),
    )


def _in_utc(row: Row, column: str) -> Row:
    return {**row, column: _utc(row[column])}


def _utc(moment: object) -> str:
    """A timestamptz as the project writes it; what is none stays as it is."""
    try:
        return datetime.fromisoformat(str(moment)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError):
        return str(moment or "")


def _pattern(text: str) -> str:
    """A regular expression that finds a text, each of its letters composed or decomposed.

    Postgres compares letter by letter. Like would take * for a wildcard that cannot be escaped; ***= makes a
    pattern a plain text.
    """
    composed = unicodedata.normalize("NFC", text)
    if len(text) > _LONGEST_PATTERN or unicodedata.is_normalized("NFD", composed):
        return f"***={text}"
    return "(?:)" + "".join(map(_letter, composed))


def _letter(character: str) -> str:
    parts = unicodedata.normalize("NFD", character)
    if parts != character:
        return f"(?:{character}|{parts})"
    return f"\\{character}" if character in _REGEX_SIGNS else character


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _is_text(text: str) -> bool:
    """False for what no name holds, or no address: NUL, halves of surrogate pairs, endless texts."""
    return (
        len(text) <= _LONGEST
        and "\0" not in text
        and not any("\ud800" <= character <= "\udfff" for character in text)
    )
