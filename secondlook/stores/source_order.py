"""The order of a user's sources in the embedded store, kept until a write changes it.

SQLite knows no order of names but that of bytes, and an index on a function of this program would break the
writes of every other one.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

from secondlook.domain.names import fold, sort_key
from secondlook.domain.sources import SourceQuery

_MOST_KEPT = 8
_key_of = lru_cache(1 << 16)(sort_key)


class Columns(NamedTuple):
    """Sources as the database lists them: a JSON array a column.

    Attributes:
        ids: Their ids as they are written in the table.
        digits: The digits of their ids.
        names: Their names.
        statuses: Their statuses.
        sorted_by: What they are sorted by.
    """

    ids: str
    digits: str
    names: str
    statuses: str
    sorted_by: str


@dataclass(frozen=True)
class _Listed:
    """Sources in their order, by column: thousands of small rows would keep the garbage collector busy."""

    columns: Columns
    order: list[int]
    ids: list[str]
    names: list[str]
    statuses: list[str]
    keys: list[str]


class SourceOrder:
    """Keeps the sources of a few users in their order. Threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, str], tuple[object, _Listed]] = {}

    def find(self, user: str, query: SourceQuery, version: object, read: Callable[[], Columns]) -> list[str]:
        """Return the ids of all sources of a user that a query finds, in its order.

        Args:
            user: Their owner.
            query: What to look for, and by what to sort.
            version: The file's version, from before `read`.
            read: Reads all sources of the user, in any order.
        """
        listed = self._sorted(user, query.sort, version, read)
        found = range(len(listed.ids))
        if query.descending:  # stable: those with equal keys stay in the order of their ids
            found = sorted(found, key=listed.keys.__getitem__, reverse=True)
        if query.status is not None:
            found = [each for each in found if listed.statuses[each] == query.status]
        if query.search:
            wanted = fold(query.search)
            found = [each for each in found if wanted in fold(listed.names[each])]
        return [listed.ids[each] for each in found]

    def _sorted(self, user: str, sort: str, version: object, read: Callable[[], Columns]) -> _Listed:
        with self._lock:
            kept = self._kept.get((user, sort))
            if kept is not None and kept[0] == version:
                return kept[1]
            columns = read()
            # Most writes are snapshots, which change statuses alone: reading is a third of sorting.
            if kept is not None and kept[1].columns._replace(statuses=columns.statuses) == columns:
                statuses: list[str] = json.loads(columns.statuses)
                order = kept[1].order
                listed = replace(kept[1], columns=columns, statuses=[statuses[each] for each in order])
            else:
                listed = _in_order(columns, is_text=sort != "created")
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            self._kept[user, sort] = version, listed
            return listed


def _in_order(columns: Columns, *, is_text: bool) -> _Listed:
    ids, digits, names, statuses, sorted_by = (json.loads(column) for column in columns)
    keys: list[str] = list(map(_key_of, sorted_by)) if is_text else sorted_by
    order = sorted(range(len(keys)), key=digits.__getitem__)
    order.sort(key=keys.__getitem__)
    arranged = ([column[each] for each in order] for column in (ids, names, statuses, keys))
    return _Listed(columns, order, *arranged)
