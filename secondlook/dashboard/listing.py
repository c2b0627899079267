"""The table of a user's sources: searched, filtered and sorted by the store, read a page at a time."""

from __future__ import annotations

import math
import time

import pandas as pd
import streamlit as st

from secondlook.models import SortKey, SourcePage, SourceQuery
from secondlook.stores.base import Store

PAGE_SIZE = 10
STATUSES = ("bucketed", "snapshot_generated", "pending", "ingested", "insufficient_data")
SORTS: dict[str, tuple[SortKey, bool]] = {
    "Name": ("name", False),
    "Name, Z first": ("name", True),
    "Type": ("type", False),
    "Status": ("status", False),
    "Newest": ("created", True),
    "Oldest": ("created", False),
}
_COLUMNS = {
    "Name": st.column_config.TextColumn(width=240),
    "Type": st.column_config.TextColumn(width=80),
    "Status": st.column_config.TextColumn(width=160),
    "Estimates": st.column_config.NumberColumn(format="%d", width=90),
    "Confidence": st.column_config.TextColumn(width=90),
    "Last snapshot": st.column_config.TextColumn(width=110),
}
_ROW_PIXELS = 35
_COUNTED = "counted"
_COUNT_SECONDS = 3


def show_sources(store: Store, user_id: str) -> bool:
    """Draw filters, table and pages; a chosen row goes into the URL.

    Returns:
        False where there is nothing to choose from.
    """
    filters = st.container(horizontal=True)
    search = filters.text_input(
        "Search",
        key="search",
        bind="query-params",
        placeholder="Part of a name",
        max_chars=200,
        icon=":material/search:",
        on_change=_first_page,
    )
    status = filters.selectbox(
        "Status", ("all", *STATUSES), key="status", bind="query-params", on_change=_first_page, width=210
    )
    sort = filters.selectbox(
        "Sort by", list(SORTS), key="sort", bind="query-params", on_change=_first_page, width=210
    )
    key, descending = SORTS[sort]
    page = st.session_state.get("page", 1)
    query = SourceQuery(
        search=(search or "").strip(),
        status=None if status == "all" else status,
        sort=key,
        descending=descending,
        offset=(page - 1) * PAGE_SIZE,
        limit=PAGE_SIZE,
    )
    known = _known_total(user_id, query)
    found = store.list_sources(user_id, query.model_copy(update={"known_total": known}))
    if known is None:
        st.session_state[_COUNTED] = (user_id, query, found.total, time.monotonic())
    if not found.total:
        _show_empty(filtered=bool(query.search or query.status))
        return False
    _show_table(found, user_id)
    _show_pages(found.total)
    return True


def _known_total(user_id: str, query: SourceQuery) -> int | None:
    """The total as it was counted a moment ago, where only something else on the page has changed since."""
    counted_for, counted, total, at = st.session_state.get(_COUNTED, (None, None, None, 0.0))
    fresh = time.monotonic() - at < _COUNT_SECONDS
    return total if total and fresh and (counted_for, counted) == (user_id, query) else None


def recount() -> None:
    """Forget the total: a run that ended may have moved its source into another filter."""
    st.session_state.pop(_COUNTED, None)


def _first_page() -> None:
    st.session_state["page"] = 1


def _show_empty(*, filtered: bool) -> None:
    if filtered:
        st.info("No source matches. Clear the search or choose another status.")
    else:
        st.info("There are no bucketed sources yet. Bucket a source, and it appears here.")


def _show_table(found: SourcePage, user_id: str) -> None:
    ids = [row.source.source_id for row in found.rows]
    key = f"{user_id} {' '.join(ids)}"  # other rows are another table: the mark would stay at its place
    chosen = st.query_params.get("source")

    def choose() -> None:
        rows: list[int] = st.session_state[key]["selection"]["rows"]
        if rows:
            st.query_params["source"] = ids[rows[0]]
        else:
            st.query_params.pop("source", None)

    st.dataframe(  # pyright: ignore[reportUnknownMemberType] -- pyarrow has no types
        pd.DataFrame(
            {
                "Name": [row.source.source_name[:200] for row in found.rows],
                "Type": [row.source.source_type[:40] for row in found.rows],
                "Status": [row.source.status[:40] for row in found.rows],
                "Estimates": pd.array([row.estimate_count for row in found.rows], dtype="Int64"),
                "Confidence": [row.confidence_level for row in found.rows],
                "Last snapshot": [(row.snapshot_at or "")[:10] for row in found.rows],
            }
        ),
        hide_index=True,
        height=_ROW_PIXELS * (PAGE_SIZE + 1) + 3,
        column_config=_COLUMNS,
        placeholder="unknown",
        key=key,
        on_select=choose,
        selection_mode="single-row",
        selection_default={"selection": {"rows": [ids.index(chosen)]}} if chosen in ids else None,
        alt="Your bucketed sources; choose one by its row",
    )


def _show_pages(total: int) -> None:
    pages = math.ceil(total / PAGE_SIZE)
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.caption(f"{total:,} source{'' if total == 1 else 's'}", width="content")
        if pages > 1:
            st.pagination(pages, key="page", bind="query-params")
