"""Estimates in a store: sources made from a file, updated, bucketed again and deleted.

Snapshots never need a row of estimates. What reads and writes rows stands apart from `Store` for that reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol
from uuid import UUID, uuid5

from secondlook.domain.bucket_rules import GENERATED, RUNNABLE
from secondlook.errors import NotEnoughEstimates, SourceNotBucketed

if TYPE_CHECKING:
    from secondlook.domain.sources import Source
    from secondlook.importing.estimates import ImportedSource

Change = Literal["new", "updated", "unchanged"]
Progress = Callable[[int], None]
"""Is told how many rows have been stored so far."""

PENDING, INGESTED = "pending", "ingested"
_CAN_BE_BUCKETED = frozenset((INGESTED, RUNNABLE, GENERATED, "insufficient_data"))
_NAMESPACE = UUID("2d10c0de-0000-4000-8000-00000000f11e")


@dataclass(frozen=True)
class StoredSource:
    """A source as it is in the store after an import.

    Attributes:
        change: Whether the import made it, changed it, or found everything stored already.
        estimate_count: All of its estimates.
        added: Estimates that the import added.
        changed: Estimates that the import changed.
    """

    source_id: str
    source_name: str
    status: str
    change: Change
    estimate_count: int
    added: int = 0
    changed: int = 0


class EstimateStore(Protocol):
    """What writes estimates and buckets. Each call reads and writes one user's data.

    Every method raises `StoreUnavailable` where the store cannot be read or written, and `SourceNotFound` for
    a source that is missing or another user's.
    """

    def find(self, name: str, user_id: str) -> Source | None:
        """The source that an import by this name would update; None where it would make a new one."""
        ...

    def put(
        self,
        sources: Sequence[ImportedSource],
        user_id: str,
        *,
        source_id: str | None = None,
        progress: Progress = lambda _rows: None,
    ) -> list[StoredSource]:
        """Store sources with their estimates and buckets: all of them, or nothing.

        A source that an earlier import made by the same name is updated: estimates by their `estimate_id`,
        then its buckets. Snapshots are kept.

        Args:
            sources: What was read of a file.
            user_id: Their owner.
            source_id: Update this source, whatever its name; then `sources` is one.
            progress: Is told how many rows have been stored.

        Raises:
            SourceInUse: Another import of the same source has not ended.
        """
        ...

    def bucket(self, source_id: str, user_id: str) -> StoredSource:
        """Make the buckets of the estimates that a source has, and set its status to `bucketed`.

        Raises:
            SourceNotBucketed: Its status does not allow it.
            NotEnoughEstimates: It has none.
        """
        ...

    def delete(self, source_id: str, user_id: str) -> None:
        """Delete a source with its estimates, buckets and snapshots."""
        ...


def imported_id(name: str, user_id: str) -> str:
    """The id of the source that imports by this name make: the same name is the same source.

    Args:
        name: Its name.
        user_id: Its owner, in the tables' own writing.
    """
    return str(uuid5(_NAMESPACE, f"{user_id}\n{name}"))


def check_can_be_bucketed(status: str) -> None:
    """Refuse a source whose estimates are not all there.

    Raises:
        SourceNotBucketed: Names the status.
    """
    if status not in _CAN_BE_BUCKETED:
        raise SourceNotBucketed(
            f"Source must be ingested before bucketing (current status: {status})",
            hint="Wait until its estimates are all there, then bucket it.",
        )


def check_can_be_updated(status: str) -> None:
    """Refuse a source that another program is filling.

    Raises:
        SourceNotBucketed: Names the status.
    """
    if status == PENDING:
        raise SourceNotBucketed(
            f"Source must be ingested before an import updates it (current status: {status})",
            hint="Another program is filling it. Wait until it has ended, or import under another name.",
        )


def check_has_estimates(count: int) -> None:
    """Refuse a source without estimates.

    Raises:
        NotEnoughEstimates: It has none.
    """
    if not count:
        raise NotEnoughEstimates(
            "Minimum 1 estimate required for bucketing (found: 0)",
            hint="This source's buckets were made elsewhere, or its estimates are not imported yet.",
        )


def is_settled(status: str) -> bool:
    """Whether a source of this status is bucketed, with a snapshot or without."""
    return status in {RUNNABLE, GENERATED}


def same_buckets(stored: Mapping[str, object] | None, made: Mapping[str, object]) -> bool:
    """Whether a stored buckets row holds what was made; the order of its weeks has no meaning."""
    return stored is not None and _comparable(stored) == _comparable(made)


def _comparable(row: Mapping[str, object]) -> object:
    from datetime import date

    from secondlook.domain.bucket_rules import read_buckets
    from secondlook.errors import SecondlookError

    try:
        return read_buckets(row, today=date.max)
    except SecondlookError:
        return object()
