"""The order of a user's sources in the embedded store, kept until somebody writes to its file.

SQLite knows no order of names but that of bytes, and an index on a function of this program would break the
writes of every other one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from secondlook.domain.names import fold, sort_key
from secondlook.domain.sources import SourceQuery

_MOST_KEPT = 8
_key_of = lru_cache(1 << 16)(sort_key)


@dataclass(frozen=True)
class Listed:
    """Sources as lists find them, by column: thousands of small rows would keep the garbage collector busy.

    Attributes:
        ids: Their ids as they are written in the table.
        digits: The digits of their ids.
        names: Their names.
        statuses: Their statuses.
        sorted_by: What they are sorted by.
    """

    ids: list[str]
    digits: list[str]
    names: list[str]
    statuses: list[str]
    sorted_by: list[str]


class SourceOrder:
    """Keeps the sources of a few users in their order. Threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, str], tuple[object, Listed]] = {}

    def find(self, user: str, query: SourceQuery, version: object, read: Callable[[], Listed]) -> list[str]:
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
            found = sorted(found, key=listed.sorted_by.__getitem__, reverse=True)
        if query.status is not None:
            found = [each for each in found if listed.statuses[each] == query.status]
        if query.search:
            wanted = fold(query.search)
            found = [each for each in found if wanted in fold(listed.names[each])]
        return [listed.ids[each] for each in found]

    def _sorted(self, user: str, sort: str, version: object, read: Callable[[], Listed]) -> Listed:
        with self._lock:
            kept = self._kept.get((user, sort))
            if kept is not None and kept[0] == version:
                return kept[1]
            listed = _in_order(read(), is_text=sort != "created")
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            self._kept[user, sort] = version, listed
            return listed


def _in_order(listed: Listed, *, is_text: bool) -> Listed:
    keys = list(map(_key_of, listed.sorted_by)) if is_text else listed.sorted_by
    order = sorted(range(len(keys)), key=listed.digits.__getitem__)
    order.sort(key=keys.__getitem__)
    columns = (listed.ids, listed.digits, listed.names, listed.statuses, keys)
    return Listed(*([column[each] for each in order] for column in columns))
