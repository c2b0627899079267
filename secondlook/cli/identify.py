"""Finds the source, run or snapshot that a person names by less than its whole id.

A whole id is returned as it is, without a query: what reads the row finds out whether the user has it. The
beginning of an id, or a source's name, is looked for among the user's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from secondlook.domain.untrusted_text import one_line
from secondlook.errors import SourceNotFound

if TYPE_CHECKING:
    from secondlook.domain.access import Access
    from secondlook.domain.snapshots import SnapshotRow
    from secondlook.domain.sources import SourceQuery, SourceRow
    from secondlook.services import Services
    from secondlook.stores.base import Store

PAGE = 500  # rows per read
_MOST = 5  # candidates that an error lists


def find_source(services: Services, access: Access, text: str) -> str:
    """Return the id of the source that a text names.

    Args:
        services: Open the store.
        access: The user whose sources are looked through: those that `secondlook sources` lists.
        text: The whole id, the beginning of one, or the whole name in any case.

    Raises:
        SourceNotFound: The user has no such source, or several.
    """
    from secondlook.domain.identifiers import read_id, read_prefix
    from secondlook.domain.names import fold
    from secondlook.domain.sources import SourceQuery

    if read_id(text) is not None:
        return text
    prefix, name = read_prefix(text), fold(text)
    query = SourceQuery(search=text if prefix is None else "")
    found = (
        (row.source.source_id, row.source.shown_name)
        for row in (all_sources(services.store(access), access.user_id, query) if text else ())
        if fold(row.source.source_name) == name or _begins(row.source.source_id, prefix)
    )
    return _only("source_id", text, found)


def find_run(services: Services, user_id: str, text: str) -> str:
    """Return the id of the run that a text names.

    Args:
        services: Open the ledger.
        user_id: The user whose runs are looked through.
        text: The whole id, or the beginning of one.

    Raises:
        SourceNotFound: The user has no such run, or several.
    """
    prefix = _beginning(text)
    if prefix is None:
        return text
    found = services.ledger.beginning_with(prefix, user_id, limit=_MOST + 1)
    return _only("run_id", text, ((run.run_id, f"of {run.created_at}") for run in found))


def find_snapshot(services: Services, access: Access, text: str) -> str:
    """Return the id of the snapshot that a text names.

    Args:
        services: Open the store.
        access: The user whose snapshots are looked through.
        text: The whole id, or the beginning of one.

    Raises:
        SourceNotFound: The user has no such snapshot, or several.
    """
    prefix = _beginning(text)
    if prefix is None:
        return text
    found = (
        (row.snapshot_id, f"{row.source_name} of {row.generated_at}")
        for row in _all_snapshots(services.store(access), access.user_id)
        if _begins(row.snapshot_id, prefix)
    )
    return _only("snapshot_id", text, found)


def all_sources(store: Store, user_id: str, query: SourceQuery) -> Iterator[SourceRow]:
    """Yield every source of a list, page by page.

    Args:
        store: Holds them.
        user_id: Their owner.
        query: Which, and in which order; its page is left aside.
    """
    offset, total = 0, None
    while total is None or offset < total:
        page = store.list_sources(
            user_id, query.model_copy(update={"offset": offset, "limit": PAGE, "known_total": total})
        )
        if not page.rows:
            return
        yield from page.rows
        offset, total = offset + len(page.rows), page.total


def _all_snapshots(store: Store, user_id: str) -> Iterator[SnapshotRow]:
    offset, total = 0, 1
    while offset < total:
        page = store.list_snapshots(user_id, offset=offset, limit=PAGE)
        if not page.rows:
            return
        yield from page.rows
        offset, total = offset + len(page.rows), page.total


def _beginning(text: str) -> str | None:
    """Return the beginning of an id; None for a whole one, and for what is none."""
    from secondlook.domain.identifiers import read_id, read_prefix

    return None if read_id(text) is not None else read_prefix(text)


def _begins(identifier: str, prefix: str | None) -> bool:
    return prefix is not None and identifier.startswith(prefix)


def _only(what: str, text: str, found: Iterable[tuple[str, str]]) -> str:
    """Return the one id that was found; the error lists what else it could be."""
    from secondlook.domain.identifiers import not_found

    ids = list(islice(found, _MOST + 1))
    if not ids:
        raise not_found(what)
    if len(ids) > 1:
        raise _ambiguous(what, text, ids)
    return ids[0][0]


def _ambiguous(what: str, text: str, found: Sequence[tuple[str, str]]) -> SourceNotFound:
    listed = ", ".join(f"{identifier} ({one_line(label, 60)})" for identifier, label in found[:_MOST])
    more = " and others" if len(found) > _MOST else ""
    return SourceNotFound(
        f"Ambiguous {what}: {one_line(text)!r} can be {listed}{more}",
        hint="Give the whole id, or more of its beginning.",
    )
