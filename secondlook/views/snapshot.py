"""What is shown of a snapshot: its source, the run that made it, and whether its values were validated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from secondlook.domain.identifiers import canonical, not_found
from secondlook.domain.runs import Run, RunStatus
from secondlook.domain.snapshots import Snapshot, SnapshotResult
from secondlook.errors import SourceNotFound
from secondlook.ledger.runs import Ledger
from secondlook.stores.base import Store
from secondlook.tasks.snapshot.rules import count_matches

SOURCE_GONE = "Deleted source"
"""The name of a source that the store no longer has."""


@dataclass(frozen=True)
class Verification:
    """Whether a snapshot equals what was sent to the agent.

    Attributes:
        text: The finding in words.
        validated: Whether a run of this ledger made it and it still holds what was accepted.
        matches: How many of its values equal what was sent; empty where that is unknown.
    """

    text: str
    validated: bool
    matches: str = ""


@dataclass(frozen=True)
class SnapshotView:
    """What is shown of a snapshot.

    Attributes:
        source_name: Its source's name; empty where the source is gone.
        run: The run that made it; None where another program did.
    """

    snapshot: Snapshot
    source_name: str
    run: Run | None
    verification: Verification

    @property
    def result(self) -> SnapshotResult:
        """Its result."""
        return self.snapshot.result

    @property
    def title(self) -> str:
        """Its source's name, or that the source is gone."""
        return self.source_name or SOURCE_GONE

    @property
    def messages(self) -> list[str]:
        """The messages that were sent to the agent, unchanged; none where they are unknown or erased."""
        sent: Any = None if self.run is None else self.run.request.get("messages")
        return [str(message["content"]) for message in sent or ()]


def view_snapshot(snapshot: Snapshot, source_name: str, run: Run | None) -> SnapshotView:
    """Return what is shown of a snapshot; its values are compared here and nowhere else."""
    return SnapshotView(snapshot, source_name, run, _verify(snapshot, run))


def _verify(snapshot: Snapshot, run: Run | None) -> Verification:
    if run is None:
        return Verification("Stored by another program, not validated here", validated=False)
    if run.status is RunStatus.DONE and run.erased_at is not None:
        return Verification("Validated when it was made; what was sent has been erased", validated=False)
    matched, values = count_matches(snapshot.result, run.input)
    matches = f"{matched:,} of {values:,} values match the buckets"
    if run.status is RunStatus.DONE and matched == values:
        return Verification(f"Validated: {matches}", validated=True, matches=matches)
    return Verification(f"Not validated: {matches}", validated=False, matches=matches)


def read_snapshot_view(store: Store, ledger: Ledger, snapshot_id: str, user_id: str) -> SnapshotView:
    """Return a snapshot of the user's, by its id.

    Raises:
        SourceNotFound: The user has no such snapshot: unknown, malformed and another's are the same.
    """
    snapshot = store.get_snapshot(canonical(snapshot_id, "snapshot_id"), user_id)
    if snapshot is None:
        raise not_found("snapshot_id")
    record = store.load(snapshot.source_id, user_id)
    name = "" if record is None else record.source.shown_name
    return view_snapshot(snapshot, name, run_of(snapshot, ledger))


def run_of(snapshot: Snapshot, ledger: Ledger) -> Run | None:
    """Return the run that made a snapshot; None where another program did."""
    try:
        return ledger.get(snapshot.snapshot_id, snapshot.user_id)
    except SourceNotFound:
        return None
