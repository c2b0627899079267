"""A real store that notes what it is asked, and can be out of order."""

from __future__ import annotations

from pathlib import Path

from secondlook.domain.snapshots import Snapshot
from secondlook.domain.sources import SourceRecord
from secondlook.errors import StoreUnavailable
from secondlook.stores.samples import practice_sources
from secondlook.stores.sqlite import SqliteStore


class RecordingStore(SqliteStore):
    """The embedded store, under observation.

    Args:
        path: Its file.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, practice_sources)
        self.asked: list[str] = []
        self.down: set[str] = set()

    def _note(self, what: str) -> None:
        self.asked.append(what)
        if what in self.down:
            raise StoreUnavailable(f"The store is down at {what}")

    def load(self, source_id: str, user_id: str, *, with_snapshot: bool = False) -> SourceRecord | None:
        """See `Store.load`."""
        self._note("load")
        return super().load(source_id, user_id, with_snapshot=with_snapshot)

    def save_snapshot(self, snapshot: Snapshot) -> None:
        """See `Store.save_snapshot`."""
        self._note("save_snapshot")
        super().save_snapshot(snapshot)

    def mark_generated(self, source_id: str, user_id: str) -> bool:
        """See `Store.mark_generated`."""
        self._note("mark_generated")
        return super().mark_generated(source_id, user_id)
