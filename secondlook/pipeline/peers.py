"""A user's other sources, pooled to compare one with."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from secondlook.domain.bucket_rules import GENERATED, RUNNABLE, build_input, count_estimates, read_buckets
from secondlook.domain.buckets import AgentInput
from secondlook.errors import BucketsInvalid, BucketsMissing
from secondlook.stores.base import Store
from secondlook.tasks.insights.facts import Peers, peers_of

MOST = 250
"""So many sources of each status are read at the most, by their ids: the page waits for them."""


def read_peers(store: Store, user_id: str, source_id: str, today: date) -> Peers | None:
    """The medians of a user's other sources; None where too few can be compared with.

    Args:
        store: Where they are.
        user_id: Their owner; nobody else's are read.
        source_id: The source that they are compared with.
        today: Today in UTC.
    """
    return peers_of(list(_others(store, user_id, source_id, today)))


def _others(store: Store, user_id: str, source_id: str, today: date) -> Iterator[AgentInput]:
    for status in (RUNNABLE, GENERATED):
        for record in store.records(user_id, status=status, after="", limit=MOST):
            if record.source.source_id == source_id:
                continue
            try:
                buckets = read_buckets(record.buckets, today=today)
            except (BucketsInvalid, BucketsMissing):
                continue
            yield build_input(buckets, count_estimates(record, buckets))
