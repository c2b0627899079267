"""A user's sets of estimates, one by one and in lists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from secondlook.domain.base import Count, Frozen
from secondlook.domain.buckets import ConfidenceLevel
from secondlook.domain.names import shown_name


class Source(Frozen):
    """One user's set of estimates. Its type and status are read as they are; others may add values."""

    source_id: str
    user_id: str
    source_type: str
    source_name: str
    status: str
    created_at: str

    @property
    def shown_name(self) -> str:
        """What to call it: its name, or its id where it has none."""
        return shown_name(self.source_name, self.source_id)


class SourceRecord(Frozen):
    """What one read of the store returns for a snapshot.

    Attributes:
        source: The source itself.
        buckets: Its estimate_buckets row, unchecked, or None where it owns none.
        estimate_rows: How many rows estimates_normalized holds for it; no row is ever fetched.
        snapshot: The row of its newest snapshot, unchecked; None where it has none, or nobody asked for it.
    """

    source: Source
    buckets: Mapping[str, object] | None
    estimate_rows: Count
    snapshot: Mapping[str, object] | None = None


class SourceRow(Frozen):
    """A line of the list of sources; counts are None where the buckets row cannot be read.

    Attributes:
        buckets: Its estimate_buckets row, unchecked; None where nobody asked for it.
    """

    source: Source
    estimate_count: Count | None
    confidence_level: ConfidenceLevel | None
    snapshot_id: str | None
    snapshot_at: str | None
    buckets: Mapping[str, object] | None = None


SortKey = Literal["name", "type", "status", "created"]


class SourceQuery(Frozen):
    """Which sources to list: a part of their name, a status, an order, a page.

    Attributes:
        with_buckets: Bring their buckets rows too.
        known_total: The number of matches where the caller has it already: counting them takes longer
            than reading a page.
    """

    search: str = ""
    status: str | None = None
    sort: SortKey = "name"
    descending: bool = False
    offset: Count = 0
    limit: Annotated[int, Field(ge=1)] = 25
    known_total: Count | None = None
    with_buckets: bool = False


class SourcePage(Frozen):
    """One page of the list and the number of sources that match in all."""

    rows: tuple[SourceRow, ...]
    total: Count
