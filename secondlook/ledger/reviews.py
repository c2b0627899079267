"""Reviews of runs: passed or failed, with a note; one review per reviewer and run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from secondlook.connections.database import Database, now
from secondlook.domain.identifiers import canonical
from secondlook.errors import RequestInvalid
from secondlook.ledger.rows import iso
from secondlook.ledger.tables import reviews

MOST_NOTE = 2_000
"""The most characters of a note."""

_AT_ONCE = 500  # ids in one statement


@dataclass(frozen=True)
class Review:
    """A reviewer's review of a run.

    Attributes:
        reviewer: Their name at the time, as other people know them.
    """

    run_id: str
    reviewer_id: str
    reviewer: str
    passed: bool
    note: str
    reviewed_at: str


class Reviews:
    """The reviews on a ledger. The caller checks who may review and see which run."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of_run(self, run_id: str) -> tuple[Review, ...]:
        """The reviews of a run, newest first."""
        return self.of_runs([run_id]).get(run_id, ())

    def of_runs(self, run_ids: Sequence[str]) -> dict[str, tuple[Review, ...]]:
        """The reviews of each of some runs, newest first; runs without a review are left out."""
        found: dict[str, tuple[Review, ...]] = {}

        def read(connection: sa.Connection) -> None:
            for start in range(0, len(run_ids), _AT_ONCE):
                query = (
                    sa.select(reviews)
                    .where(reviews.c.run_id.in_(run_ids[start : start + _AT_ONCE]))
                    .order_by(reviews.c.reviewed_at.desc(), reviews.c.reviewer_id)
                )
                for row in connection.execute(query).mappings():
                    found[row["run_id"]] = (*found.get(row["run_id"], ()), _read(row))

        self._database.read(read)
        return found

    def say(self, run_id: str, reviewer_id: str, *, reviewer: str, passed: bool, note: str = "") -> None:
        """Pass or fail a run; this replaces an earlier review by the same reviewer.

        Raises:
            SourceNotFound: The id is none.
            RequestInvalid: The note is too long.
        """
        if len(note) > MOST_NOTE:
            raise RequestInvalid(f"A note has at most {MOST_NOTE:,} characters", hint="Shorten it.")
        said = {"reviewer": reviewer, "passed": passed, "note": note.strip(), "reviewed_at": now()}
        row = {"run_id": canonical(run_id, "run_id"), "reviewer_id": reviewer_id, **said}

        def write(connection: sa.Connection) -> None:
            insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
            key = [reviews.c.run_id, reviews.c.reviewer_id]
            connection.execute(
                insert(reviews).values(row).on_conflict_do_update(index_elements=key, set_=said)
            )

        self._database.write(write)

    def take_back(self, run_id: str, reviewer_id: str) -> None:
        """Delete a reviewer's review of a run."""
        which = (reviews.c.run_id == run_id) & (reviews.c.reviewer_id == reviewer_id)
        self._database.write(lambda connection: connection.execute(sa.delete(reviews).where(which)))


def _read(row: sa.RowMapping) -> Review:
    found: dict[str, Any] = {**row, "reviewed_at": iso(row["reviewed_at"])}
    return Review(**found)
