"""Past runs: filtered, counted and paged by the database, without their answers.

The answers, inputs and requests are most of the ledger. Two indexes cover every column that runs are filtered
by, so that finding and counting runs never reads them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa

from secondlook.connections.database import Database
from secondlook.domain.money import usd
from secondlook.domain.run_filter import RunFilter
from secondlook.domain.runs import RunError, RunStatus, Verdict, verdict_of
from secondlook.domain.usage import Usage
from secondlook.errors import AnswerRejected
from secondlook.ledger.rows import FACTS, FIGURES, iso, iso_or_none, read_facts, read_usage
from secondlook.ledger.tables import calls, reviews, runs
from secondlook.tasks.checklist import UNREAD_REASONS

MOST_CHOICES = 200
"""The most values that a filter offers; others can be typed into the URL."""


@dataclass(frozen=True)
class RunRow:
    """A run as lists show it: without its input, request and answer.

    Attributes:
        passed: How many reviewers passed it.
        failed: How many reviewers failed it.
    """

    run_id: str
    task: str
    number: int
    source_id: str
    user_id: str
    agent: str
    model: str
    prompt_version: str
    status: RunStatus
    attempts: int
    error: RunError | None
    created_at: str
    finished_at: str | None
    answered: bool
    answered_model: str | None
    request_id: str | None
    usage: Usage
    cost_usd: Decimal | None
    latency_ms: int | None
    provider_ms: int | None
    passed: int
    failed: int

    @property
    def verdict(self) -> Verdict:
        """Whether its answer was accepted, refused by a rule, or neither."""
        return verdict_of(self.status, self.error)


@dataclass(frozen=True)
class RunPage:
    """A page of runs, and how many match in all."""

    rows: tuple[RunRow, ...]
    total: int


CallOutcome = Literal["answered", "not_processed", "refused", "unknown"]


@dataclass(frozen=True)
class Call:
    """One request to the agent and its outcome.

    Attributes:
        outcome: None while it is in flight, or where its process died.
        counts: Whether its answer is the one that counts.
        answer_length: Characters, or on Postgres bytes, of its answer; None where none came.
    """

    number: int
    sent_at: str
    ended_at: str | None
    outcome: CallOutcome | None
    http_status: int | None
    error: str | None
    request_id: str | None
    model: str | None
    usage: Usage
    cost_usd: Decimal | None
    latency_ms: int | None
    provider_ms: int | None
    counts: bool
    answer_length: int | None


class Neighbours(NamedTuple):
    """The runs before and after one in a list, newest first."""

    newer: str | None
    older: str | None


@dataclass(frozen=True)
class Choices:
    """The values that runs can be filtered by, where they are not a fixed list."""

    models: Sequence[str] = field(default=())
    prompts: Sequence[str] = field(default=())
    users: Sequence[str] = field(default=())


class History:
    """Finds past runs.

    Args:
        database: The ledger's database, with its tables.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(
        self, wanted: RunFilter, *, only: str | None = None, offset: int = 0, limit: int = 25
    ) -> RunPage:
        """A page of the runs that a filter means, newest first.

        Args:
            wanted: The filter.
            only: The user whose runs may be seen; None for a reviewer, who sees everybody's.
            offset: How many runs to leave out first.
            limit: How many to read at the most.
        """
        where = conditions(wanted, only)

        def look(connection: sa.Connection) -> RunPage:
            total = connection.scalar(sa.select(sa.func.count()).select_from(runs).where(*where)) or 0
            # A page past the end shows the last one.
            start = min(offset, max(0, total - 1) // limit * limit)
            found = sa.select(runs.c.run_id).where(*where).order_by(*_ORDER).limit(limit).offset(start)
            return RunPage(_rows(connection, found), total)

        return self._database.read(look)

    def all(self, wanted: RunFilter, *, only: str | None = None, limit: int = 100_000) -> tuple[RunRow, ...]:
        """All runs that a filter means, newest first, up to a limit: for an export."""
        found = sa.select(runs.c.run_id).where(*conditions(wanted, only)).order_by(*_ORDER).limit(limit)
        return self._database.read(lambda connection: _rows(connection, found))

    def neighbours(self, run_id: str, wanted: RunFilter, *, only: str | None = None) -> Neighbours:
        """The runs next to one among those that a filter means; the run itself need not be one of them."""
        where = conditions(wanted, only)
        place = sa.select(runs.c.created_at).where(runs.c.run_id == run_id)

        def look(connection: sa.Connection) -> Neighbours:
            at = connection.scalar(place)
            if at is None:
                return Neighbours(None, None)
            here = sa.tuple_(sa.literal(at), sa.literal(run_id))
            there = sa.tuple_(runs.c.created_at, runs.c.run_id)
            ids = sa.select(runs.c.run_id).where(*where).limit(1)
            newer = ids.where(there > here).order_by(runs.c.created_at, runs.c.run_id)
            older = ids.where(there < here).order_by(*_ORDER)
            return Neighbours(connection.scalar(newer), connection.scalar(older))

        return self._database.read(look)

    def calls(self, run_id: str) -> tuple[Call, ...]:
        """The requests of a run, in order; the caller has checked that they may be seen."""
        counts = sa.select(runs.c.answered_call).where(runs.c.run_id == run_id).scalar_subquery()
        light = [column for column in calls.c if column.name not in {"body", "reservation"}]
        query = (
            sa.select(
                *light,
                counts.label("counts"),
                sa.func.length(sa.type_coerce(calls.c.body, sa.Text)).label("length"),
            )
            .where(calls.c.run_id == run_id)
            .order_by(calls.c.number)
        )
        found = self._database.read(lambda connection: connection.execute(query).all())
        return tuple(_read_call(row) for row in found)

    def choices(self, *, only: str | None = None) -> Choices:
        """The models, prompt versions and users that runs can be found by."""

        def values(connection: sa.Connection, column: sa.Column[Any]) -> list[str]:
            query = sa.select(column).where(*conditions(RunFilter(), only)).distinct()
            return list(connection.scalars(query.order_by(column).limit(MOST_CHOICES)))

        def look(connection: sa.Connection) -> Choices:
            return Choices(
                models=values(connection, runs.c.model),
                prompts=values(connection, runs.c.prompt_version),
                users=values(connection, runs.c.user_id),
            )

        return self._database.read(look)


_ORDER = (runs.c.created_at.desc(), runs.c.run_id.desc())


def conditions(wanted: RunFilter, only: str | None = None) -> list[sa.ColumnElement[bool]]:
    """A filter as SQL on the table of runs.

    Args:
        wanted: The filter.
        only: The user whose runs may be seen, whatever the filter says; None for everybody's.
    """
    equal = {
        "status": wanted.status,
        "error_code": wanted.code,
        "model": wanted.model,
        "agent": wanted.agent,
        "task": wanted.task,
        "prompt_version": wanted.prompt,
        "source_id": wanted.source,
    }
    found = [runs.c[name] == value for name, value in equal.items() if value is not None]
    found += [runs.c.user_id == user for user in (only, wanted.user) if user is not None]
    if wanted.from_second is not None:
        found.append(runs.c.created_at >= wanted.from_second)
    if wanted.to_second is not None:
        found.append(runs.c.created_at < wanted.to_second)
    if wanted.verdict is not None:
        found.append(_VERDICTS[wanted.verdict])
    if wanted.failures:
        found.append(runs.c.status.in_((RunStatus.FAILED, RunStatus.IN_DOUBT)))
    if wanted.differs:
        found.append(runs.c.run_id.in_(_differing()))
    if wanted.review is not None:
        found.append(_reviewed(wanted.review))
    return found


_REFUSED = sa.and_(runs.c.error_code.is_not(None), runs.c.error_code == AnswerRejected.code)
_VERDICTS: dict[str, sa.ColumnElement[bool]] = {
    "accepted": runs.c.status == RunStatus.DONE,
    "refused": _REFUSED,
    "none": sa.and_(runs.c.status != RunStatus.DONE, sa.not_(_REFUSED)),
}


def _differing() -> sa.Select[tuple[str]]:
    """Runs whose answer was read and differs from the input, by the error's text of refused runs."""
    refused = runs.alias("refused")
    # JSON text escapes a message's own quotes, so this matches the field only.
    unread = (refused.c.error.contains(f'"reason":"{reason}"', autoescape=True) for reason in UNREAD_REASONS)
    return sa.select(refused.c.run_id).where(
        refused.c.error_code == AnswerRejected.code, *(sa.not_(each) for each in unread)
    )


def _reviewed(review: str) -> sa.ColumnElement[bool]:
    if review == "none":
        return ~sa.exists().where(reviews.c.run_id == runs.c.run_id)
    return runs.c.run_id.in_(sa.select(reviews.c.run_id).where(reviews.c.passed == (review == "pass")))


def _count_reviews(*, passed: bool) -> sa.ScalarSelect[int]:
    return (
        sa.select(sa.func.count())
        .select_from(reviews)
        .where(reviews.c.run_id == runs.c.run_id, reviews.c.passed == passed)
        .correlate(runs)
        .scalar_subquery()
    )


_LIGHT = (
    *FACTS,
    *FIGURES,
    runs.c.answered_call,
    _count_reviews(passed=True).label("passed"),
    _count_reviews(passed=False).label("failed"),
)


def _rows(connection: sa.Connection, ids: sa.Select[tuple[str]]) -> tuple[RunRow, ...]:
    """The light rows of some runs. An index gives their ids; then the rows are looked up."""
    page = ids.subquery()
    query = (
        sa.select(*_LIGHT)
        .select_from(page)
        .join(runs, runs.c.run_id == page.c.run_id)
        .outerjoin(calls, (calls.c.run_id == runs.c.run_id) & (calls.c.number == runs.c.answered_call))
        .order_by(*_ORDER)
    )
    return tuple(
        RunRow(
            **read_facts(row), answered=row.answered_call is not None, passed=row.passed, failed=row.failed
        )
        for row in connection.execute(query)
    )


def _read_call(row: sa.Row[Any]) -> Call:
    return Call(
        number=row.number,
        sent_at=iso(row.sent_at),
        ended_at=iso_or_none(row.ended_at),
        outcome=row.outcome,
        http_status=row.http_status,
        error=row.error,
        request_id=row.request_id,
        model=row.model,
        usage=read_usage(row),
        cost_usd=usd(row.cost_nanousd),
        latency_ms=row.latency_ms,
        provider_ms=row.provider_ms,
        counts=row.counts == row.number,
        answer_length=row.length,
    )
