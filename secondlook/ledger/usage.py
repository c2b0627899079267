"""Usage: runs, calls, answers and cost of a period, summed by the database.

Bodies are most of the ledger. Indexes in the order of the days cover the columns that are summed, and three
views name the index to use: SQLite would otherwise look up whole rows by their key.

The database returns all durations of a group as one text, so that one function computes percentiles for both
kinds of database (`Samples`).
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, TypeAlias, get_args

import sqlalchemy as sa

from secondlook.connections.database import Database, now
from secondlook.domain.money import usd
from secondlook.domain.runs import RunStatus
from secondlook.errors import AnswerRejected, RequestInvalid
from secondlook.ledger.cache import Cache
from secondlook.ledger.rows import USAGE, iso, iso_or_none
from secondlook.ledger.tables import calls, runs
from secondlook.ledger.tally import Samples, Tally, Total, add_up, merge
from secondlook.providers.table import LOCAL

Cell: TypeAlias = str | int | float | Decimal | None
"""A value of a run or call that is listed; None is unknown, or there is none."""

Dimension = Literal["day", "model", "user", "source", "status", "task"]
DIMENSIONS: tuple[Dimension, ...] = get_args(Dimension)

DEFAULT_DAYS = 30
"""The default length of a period, up to and including today."""

_EPOCH = date(1970, 1, 1)
_DAY_SECONDS = 86_400


_metadata = sa.MetaData()
_FACTS = ("status", "error_code", "agent", "model", "user_id", "source_id", "task")

_sent = sa.Table(
    "usage_calls",
    _metadata,
    *(
        sa.Column(name, calls.c[name].type)
        for name in (
            *("outcome", "estimated", "cost_nanousd", "prompt_tokens", "completion_tokens", "total_tokens"),
            *("cached_tokens", "latency_ms", "provider_ms", "run_id"),
        )
    ),
    sa.Column("day", sa.Integer),
)
_made = sa.Table(
    "usage_runs", _metadata, sa.Column("day", sa.Integer), *(sa.Column(name, sa.Text) for name in _FACTS)
)
_owners = sa.Table("usage_owners", _metadata, *(sa.Column(name, sa.Text) for name in ("run_id", *_FACTS)))


@dataclass(frozen=True)
class UsageQuery:
    """Which runs and calls are summed, and how they are grouped.

    Attributes:
        since: The first day, in UTC.
        until: The last day, in UTC.
        by: The grouping: day of each run and call, model that was asked, status of the run, and so on.
        user_id: Whose; None is everybody's.
        agent: Asked by which agent; None is by any.
    """

    since: date
    until: date
    by: Dimension = "day"
    user_id: str | None = None
    agent: str | None = None


@dataclass(frozen=True)
class UsageRow:
    """The figures of one day, model, user, source, status or task."""

    key: str
    tally: Tally


@dataclass(frozen=True)
class UsageReport:
    """A report: its rows and their total.

    Attributes:
        rows: Of days the newest first, of others what has cost most first.
    """

    query: UsageQuery
    rows: Sequence[UsageRow]
    total: Tally


class UsageLog:
    """Sums the ledger's runs and calls.

    Args:
        database: The ledger's database, with its tables.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._reports: Cache[UsageQuery, UsageReport] = Cache(database, self._add_up, most=16)

    def report(self, query: UsageQuery) -> UsageReport:
        """The sums of runs and calls; all figures are from one read transaction."""
        return self._reports.get(query)

    def _add_up(self, query: UsageQuery) -> UsageReport:
        def look(connection: sa.Connection) -> UsageReport:
            tallies = _Tallies()
            _count_runs(connection, query, tallies)
            _add_up_calls(connection, query, tallies)
            rows = [UsageRow(_key(query.by, key), tally) for key, tally in tallies.all()]
            return UsageReport(query, _in_order(query.by, rows), add_up([row.tally for row in rows]))

        return self._database.read(look)

    def period(self, since: date | None = None, until: date | None = None) -> tuple[date, date]:
        """The days that are looked at: DEFAULT_DAYS, or those from or up to a day, or between two.

        Args:
            since: The first day; DEFAULT_DAYS up to the last one where not given.
            until: The last day; today in UTC, by the database's clock, where not given.

        Raises:
            RequestInvalid: The first is after the last.
        """
        if until is None:
            clock = self._database.read(lambda connection: connection.scalar(sa.select(now()))) or 0.0
            until = datetime.fromtimestamp(clock, UTC).date()
            until = until if since is None else max(since, until)
        if since is None:
            since = until - min(timedelta(days=DEFAULT_DAYS - 1), until - date.min)
        if since > until:
            raise RequestInvalid(
                f"The first day {since} is after the last day {until}", hint="Choose days in their order."
            )
        return since, until

    def each_call(self, query: UsageQuery) -> list[dict[str, Cell]]:
        """Every call as a row, oldest first; the figures of calls are sums of these."""
        listed = (
            sa.select(*_CALL_COLUMNS, *_RUN_COLUMNS)
            .join(runs, runs.c.run_id == calls.c.run_id)
            .where(*_between(calls.c.sent_at, query), *_whose(runs, query))
            .order_by(calls.c.sent_at, calls.c.run_id, calls.c.number)
        )
        found = self._database.read(lambda connection: connection.execute(listed).all())
        return [_call_fields(dict(zip(CALL_FIELDS, row, strict=True))) for row in found]

    def each_run(self, query: UsageQuery) -> list[dict[str, Cell]]:
        """Every run as a row, oldest first; the figures of runs are sums of these."""
        listed = (
            sa.select(runs.c.run_id, *_RUN_COLUMNS)
            .where(*_between(runs.c.created_at, query), *_whose(runs, query))
            .order_by(runs.c.created_at, runs.c.run_id)
        )
        found = self._database.read(lambda connection: connection.execute(listed).all())
        rows = (dict(zip(RUN_FIELDS, row, strict=True)) for row in found)
        return [{**row, "created_at": iso(row["created_at"])} for row in rows]


# -- sums -----------------------------------------------------------------------------------------------


class _Tallies:
    """Tallies by key, combined from several queries."""

    def __init__(self) -> None:
        self._parts: dict[str | int, dict[str, list[object]]] = {}

    def add(self, key: str | int, **figures: object) -> None:
        parts = self._parts.setdefault(key, {})
        for name, figure in figures.items():
            parts.setdefault(name, []).append(figure)

    def all(self) -> Iterator[tuple[str | int, Tally]]:
        return ((key, merge(parts)) for key, parts in self._parts.items())


def _count_runs(connection: sa.Connection, query: UsageQuery, tallies: _Tallies) -> None:
    key = _made.c.day if query.by == "day" else _made.c[_COLUMNS[query.by]]
    grouped = (key, _made.c.status, _made.c.error_code)
    counted = (
        sa.select(key.label("key"), _made.c.status, _made.c.error_code, sa.func.count().label("number"))
        .where(_in_days(_made, query), *_whose(_made, query))
        .group_by(*grouped)
    )
    for row in connection.execute(counted):
        failures = {row.error_code: row.number} if row.status == RunStatus.FAILED else {}
        tallies.add(row.key, statuses={row.status: row.number}, failures=failures)


def _add_up_calls(connection: sa.Connection, query: UsageQuery, tallies: _Tallies) -> None:
    key = _sent.c.day if query.by == "day" else _owners.c[_COLUMNS[query.by]]

    def select(*columns: sa.ColumnElement[Any], by_run: bool = False) -> sa.Select[Any]:
        # Joined only where needed: a lookup for each call takes most of the time.
        source = _sent if query.by == "day" and not by_run else _sent.join(_owners, _OF_RUN)
        chosen = sa.select(key.label("key"), *columns).select_from(source)
        return chosen.where(_in_days(_sent, query), *_of_whose_runs(query)).group_by(key)

    sums = select(_sent.c.outcome, _sent.c.estimated, *_SUMS).group_by(_sent.c.outcome, _sent.c.estimated)
    for row in connection.execute(sums):
        tallies.add(row.key, **_of_calls(row))
    # An unanswered call to the offline agent costs nothing.
    doubtful = select(_SUMS[0], by_run=True).where(
        _sent.c.outcome == "unknown", _owners.c.agent.not_in(LOCAL)
    )
    for row in connection.execute(doubtful):
        tallies.add(row.key, cost=Total(0, row.number))
    # Grouped in the order of the index, or they would be sorted.
    rejected = select(_sent.c.estimated, *_SUMS).group_by(_sent.c.outcome, _sent.c.estimated)
    answered = (_sent.c.outcome == "answered", _sent.c.run_id.in_(_REJECTED))
    for row in connection.execute(rejected.where(*answered)):
        cost = Total() if row.estimated else _total(row, "cost_nanousd")
        tallies.add(row.key, rejected=row.number, rejected_cost=cost)
    for row in connection.execute(select(*_DURATIONS).where(_sent.c.outcome == "answered")):
        tallies.add(row.key, **{name: _samples(getattr(row, name)) for name in _DURATION_NAMES})


_SUMMED = ("cost_nanousd", "prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens")
_SUMS: tuple[sa.ColumnElement[Any], ...] = (
    sa.func.count().label("number"),
    *(sa.func.sum(_sent.c[name]).label(name) for name in _SUMMED),
    *(sa.func.count(_sent.c[name]).label(f"{name}_known") for name in _SUMMED),
)
_DURATION_NAMES = ("call_ms", "provider_ms", "own_ms")
_DURATIONS: tuple[sa.ColumnElement[Any], ...] = tuple(
    sa.func.aggregate_strings(sa.cast(duration, sa.Text), ",").label(name)
    for name, duration in zip(
        _DURATION_NAMES,
        (_sent.c.latency_ms, _sent.c.provider_ms, _sent.c.latency_ms - _sent.c.provider_ms),
        strict=True,
    )
)
_COLUMNS: Mapping[Dimension, str] = {
    "model": "model",
    "user": "user_id",
    "source": "source_id",
    "status": "status",
    "task": "task",
}
_OF_RUN = _owners.c.run_id == _sent.c.run_id
_REJECTED = sa.select(runs.c.run_id).where(
    runs.c.error_code == sa.literal(AnswerRejected.code, literal_execute=True)  # as its index has it
)


def _of_calls(row: sa.Row[Any]) -> dict[str, Any]:
    """The figures of calls with one outcome."""
    figures: dict[str, Any] = {"outcomes": {row.outcome or "under_way": row.number}}
    tokens = [name for name in _SUMMED if name != "cost_nanousd"]
    if row.outcome == "answered":
        figures |= {name: _total(row, name) for name in tokens}
        figures["estimated_cost" if row.estimated else "cost"] = _total(row, "cost_nanousd")
        figures["estimated"] = row.number if row.estimated else 0
    elif row.outcome == "unknown":
        figures |= {name: Total(0, row.number) for name in tokens}
    return figures


def _total(row: sa.Row[Any], name: str) -> Total:
    # Postgres adds large integers up to decimals.
    return Total(int(getattr(row, name) or 0), row.number - getattr(row, f"{name}_known"))


def _samples(text: str | None) -> Samples:
    values = sorted(map(int, text.split(","))) if text else []
    if values and values[0] < 0:  # a provider may say that it took longer than the whole call
        values = [max(0, value) for value in values]
    return Samples(array("q", values))


def _in_days(view: sa.Table, query: UsageQuery) -> sa.ColumnElement[bool]:
    return view.c.day.between((query.since - _EPOCH).days, (query.until - _EPOCH).days)


def _whose(table: sa.Table, query: UsageQuery) -> list[sa.ColumnElement[bool]]:
    wanted = {"user_id": query.user_id, "agent": query.agent}
    return [table.c[name] == value for name, value in wanted.items() if value is not None]


def _of_whose_runs(query: UsageQuery) -> list[sa.ColumnElement[bool]]:
    which = _whose(runs, query)
    return [_sent.c.run_id.in_(sa.select(runs.c.run_id).where(*which))] if which else []


def _key(by: Dimension, key: str | int) -> str:
    return (_EPOCH + timedelta(days=int(key))).isoformat() if by == "day" else str(key)


def _in_order(by: Dimension, rows: list[UsageRow]) -> list[UsageRow]:
    if by == "day":
        return sorted(rows, key=lambda row: row.key, reverse=True)
    return sorted(rows, key=lambda row: (-row.tally.cost.known, -row.tally.calls, row.key))


# -- single runs and calls ------------------------------------------------------------------------------

_WHOSE = ("user_id", "source_id", "agent", "model", "prompt_version")
_RUN_COLUMNS = tuple(runs.c[name] for name in ("created_at", *_WHOSE, "status", "error_code", "task"))
_SENT = ("run_id", "number", "sent_at", "ended_at", "outcome", "http_status", "request_id")
_CALL_COLUMNS = (
    *(calls.c[name] for name in _SENT),
    calls.c.model.label("answered_model"),
    *USAGE,
    calls.c.cost_nanousd.label("cost_usd"),
    calls.c.latency_ms,
    calls.c.provider_ms,
)
RUN_FIELDS = ("run_id", *(column.name for column in _RUN_COLUMNS))
CALL_FIELDS = tuple(column.name for column in (*_CALL_COLUMNS, *_RUN_COLUMNS))


def _between(at: sa.Column[float], query: UsageQuery) -> tuple[sa.ColumnElement[bool], ...]:
    first, last = ((day - _EPOCH).days for day in (query.since, query.until))
    return at >= first * _DAY_SECONDS, at < (last + 1) * _DAY_SECONDS


def _call_fields(row: Mapping[str, Any]) -> dict[str, Cell]:
    times = {name: iso(row[name]) for name in ("created_at", "sent_at")}
    ended = iso_or_none(row["ended_at"])
    return {**row, **times, "ended_at": ended, "cost_usd": usd(row["cost_usd"])}
