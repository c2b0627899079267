"""What every store can do. Each method takes the user's id and shows nothing of another's."""

from __future__ import annotations

from typing import Protocol

from secondlook.domain.snapshots import Snapshot, SnapshotPage
from secondlook.domain.sources import SourcePage, SourceQuery, SourceRecord


class Store(Protocol):
    """The product's tables. Each call reads and writes one user's data.

    Every method raises `StoreUnavailable` where the store cannot be read or written.
    """

    def load(self, source_id: str, user_id: str, *, with_snapshot: bool = False) -> SourceRecord | None:
        """A source, its buckets row and its estimate count; None where the user has no such source.

        Args:
            source_id: The source.
            user_id: Its owner.
            with_snapshot: Bring the row of its newest snapshot too.
        """
        ...

    def save_snapshot(self, snapshot: Snapshot) -> None:
        """Insert a snapshot; one that is there already with the same content is fine."""
        ...

    def mark_generated(self, source_id: str, user_id: str) -> bool:
        """Set the source's status to `snapshot_generated`.

        Returns:
            False where its status is neither that nor `bucketed` any more: it is left alone.
        """
        ...

    def records(self, user_id: str, *, status: str, after: str, limit: int) -> list[SourceRecord]:
        """The user's bucketed sources of a status, by their ids, as `load` gives each.

        Args:
            user_id: Their owner.
            status: Their status, to the letter.
            after: Only ids after this one; empty begins.
            limit: So many at the most.
        """
        ...

    def list_sources(self, user_id: str, query: SourceQuery) -> SourcePage:
        """A page of the user's bucketed sources: those that own a buckets row."""
        ...

    def get_snapshot(self, snapshot_id: str, user_id: str) -> Snapshot | None:
        """A snapshot of the user's; None where they have none of that id."""
        ...

    def list_snapshots(
        self, user_id: str, *, source_id: str | None = None, offset: int = 0, limit: int = 25
    ) -> SnapshotPage:
        """A page of the user's snapshots, newest first.

        Args:
            user_id: Their owner.
            source_id: Only those of this source; None: of all.
            offset: So many are left out at the beginning.
            limit: So many at the most.
        """
        ...

    def users(self) -> list[str]:
        """The users to choose from where nobody can sign in; empty where people sign in."""
        ...

    def ping(self) -> None:
        """See that the store can be read, and that it has what this project needs."""
        ...

    def close(self) -> None:
        """Close the connections."""
        ...
