"""Erases the content of runs and keeps their figures.

The input, the request, the answers and the warnings of finished runs are overwritten. Status, verdict,
tokens, cost and times stay, so that every figure is the same before and after. A run that is not finished
needs its input and is left alone.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from operator import add
from typing import Any

import sqlalchemy as sa

from secondlook.connections.database import Database, now
from secondlook.domain.runs import RunStatus
from secondlook.ledger.tables import calls, runs

_AT_ONCE = 500
"""Runs per transaction, so few that no other transaction waits long."""

_DAY_SECONDS = 86_400
_FINAL = tuple(status for status in RunStatus if status.final)


@dataclass(frozen=True)
class Pruned:
    """How much was erased, or would be.

    Attributes:
        runs: Runs whose input and request were erased.
        answers: How many answers of theirs; a run may have several.
        characters: The length of all of that in characters, or in bytes where the database keeps bytes.
        unsettled: Matching runs that were left alone because they are not finished.
    """

    runs: int
    answers: int
    characters: int
    unsettled: int

    def __add__(self, other: Pruned) -> Pruned:
        return Pruned(*map(add, astuple(self), astuple(other)))


class Pruning:
    """Erases from the ledger."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def look(
        self, *, older_than_days: int | None = None, user_id: str | None = None, source_id: str | None = None
    ) -> Pruned:
        """Count what would be erased.

        Args:
            older_than_days: Only runs that have ended at least so many days ago, by the database's clock.
            user_id: Only this user's.
            source_id: Only this source's.
        """
        which = _which(older_than_days, user_id, source_id)
        return self._database.read(lambda connection: _measure(connection, which))

    def erase(
        self, *, older_than_days: int | None = None, user_id: str | None = None, source_id: str | None = None
    ) -> Pruned:
        """Erase in small transactions, so that runs can continue; if interrupted, it can be called again.

        Returns:
            What was erased.
        """
        which = _which(older_than_days, user_id, source_id)
        found = self._database.read(lambda connection: list(connection.scalars(_ids(which))))
        erased = Pruned(0, 0, 0, self._database.read(lambda connection: _count_unfinished(connection, which)))
        for start in range(0, len(found), _AT_ONCE):
            part = runs.c.run_id.in_(found[start : start + _AT_ONCE])
            erased += self._database.write(lambda connection, part=part: _erase(connection, part))
        self._database.purge_log(runs.name, calls.name)
        return erased


def _which(
    older_than_days: int | None, user_id: str | None, source_id: str | None
) -> list[sa.ColumnElement[bool]]:
    which: list[sa.ColumnElement[bool]] = []
    if user_id is not None:
        which.append(runs.c.user_id == user_id)
    if source_id is not None:
        which.append(runs.c.source_id == source_id)
    if older_than_days is not None:
        ended = sa.func.coalesce(runs.c.finished_at, runs.c.created_at)
        which.append(ended <= now() - older_than_days * _DAY_SECONDS)
    return which


_OF_RUN = calls.c.run_id == runs.c.run_id
_FINISHED = runs.c.status.in_(_FINAL)
# An answer may come after its run was canceled and erased.
_LEFT = runs.c.erased_at.is_(None) | sa.exists().where(_OF_RUN, calls.c.body.is_not(None))


def _ids(which: list[sa.ColumnElement[bool]]) -> sa.Select[tuple[str]]:
    return sa.select(runs.c.run_id).where(_FINISHED, _LEFT, *which).order_by(runs.c.run_id)


def _count_unfinished(connection: sa.Connection, which: list[sa.ColumnElement[bool]]) -> int:
    counted = sa.select(sa.func.count()).select_from(runs).where(sa.not_(_FINISHED), *which)
    return connection.scalar(counted) or 0


def _measure(connection: sa.Connection, which: list[sa.ColumnElement[bool]]) -> Pruned:
    fresh = sa.and_(_FINISHED, runs.c.erased_at.is_(None), *which)
    length = sa.func.length(runs.c.input) + sa.func.length(runs.c.request) + sa.func.length(runs.c.warnings)
    of_runs = connection.execute(sa.select(sa.func.count(), sa.func.sum(length)).where(fresh)).one()
    answers = sa.select(sa.func.count(calls.c.body), sa.func.sum(_length_of_body())).join(runs, _OF_RUN)
    of_calls = connection.execute(answers.where(_FINISHED, *which)).one()
    characters = int(of_runs[1] or 0) + int(of_calls[1] or 0)
    return Pruned(of_runs[0], of_calls[0], characters, _count_unfinished(connection, which))


def _erase(connection: sa.Connection, part: sa.ColumnElement[bool]) -> Pruned:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("pragma secure_delete = on")  # or deleted bytes stay in the file
    erased = _measure(connection, [part])
    finished = sa.select(runs.c.run_id).where(_FINISHED, part)
    connection.execute(sa.update(calls).where(calls.c.run_id.in_(finished)).values(body=None))
    connection.execute(
        sa.update(runs)
        .where(_FINISHED, part, runs.c.erased_at.is_(None))
        .values(input="{}", request="{}", warnings="[]", erased_at=now())
    )
    return Pruned(erased.runs, erased.answers, erased.characters, 0)


def _length_of_body() -> sa.ColumnElement[Any]:
    return sa.func.length(sa.type_coerce(calls.c.body, sa.Text))
