"""The table of a user's sources: searched, filtered and sorted by the store, read a page at a time."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from secondlook.dashboard.parts import arrow
from secondlook.dashboard.parts.problems import escape
from secondlook.domain.bucket_rules import MIN_ESTIMATES, RUNNABLE
from secondlook.domain.identifiers import read_id
from secondlook.domain.sources import SortKey, SourcePage, SourceQuery, SourceRow
from secondlook.stores.base import Store
from secondlook.views.insights import strongest_of

PAGE_SIZE = 10
STATUSES = ("bucketed", "snapshot_generated", "pending", "ingested", "insufficient_data")
SORTS: dict[str, tuple[SortKey, bool]] = {
    "Name": ("name", False),
    "Name, Z to A": ("name", True),
    "Type": ("type", False),
    "Status": ("status", False),
    "Newest": ("created", True),
    "Oldest": ("created", False),
}
_COLUMNS = {
    "Name": st.column_config.TextColumn(width=185),
    "Status": st.column_config.TextColumn(width=135),
    "Estimates": st.column_config.NumberColumn(format="%d", width=80),
    "Confidence": st.column_config.TextColumn(width=85),
    "Last snapshot": st.column_config.TextColumn(width=100),
    "Type": st.column_config.TextColumn(width=105),
    "Stands out": st.column_config.TextColumn(width=190),
}
_ROW_PIXELS = 35
_COUNTED = "counted"
_COUNT_SECONDS = 3


def show_sources(store: Store, user_id: str) -> None:
    """Draw the next step, filters, table and pages; a selected row goes into the URL."""
    hint = st.container(horizontal=True, vertical_alignment="center")
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
        "Status",
        ("all", *STATUSES),
        key="status",
        bind="query-params",
        format_func=_status_label,
        on_change=_first_page,
        width=210,
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
        with_buckets=True,
    )
    known = _known_total(user_id, query)
    found = store.list_sources(user_id, query.model_copy(update={"known_total": known}))
    if known is None:
        st.session_state[_COUNTED] = (user_id, query, found.total, time.monotonic())
    if not found.total:
        _show_empty(hint, filtered=bool(query.search or query.status))
        return
    table = _show_table(found, user_id)
    _show_hint(hint, found, table)
    _show_pages(found.total)


def _known_total(user_id: str, query: SourceQuery) -> int | None:
    """Return the total as counted a moment ago, where only something else on the page has changed since."""
    counted_for, counted, total, at = st.session_state.get(_COUNTED, (None, None, None, 0.0))
    fresh = time.monotonic() - at < _COUNT_SECONDS
    return total if total and fresh and (counted_for, counted) == (user_id, query) else None


def recount() -> None:
    """Forget the total, because a run that ended may have moved its source into another filter."""
    st.session_state.pop(_COUNTED, None)


def _first_page() -> None:
    st.session_state["page"] = 1


def _show_empty(place: DeltaGenerator, *, filtered: bool) -> None:
    if filtered:
        place.markdown("No source matches. Clear the search, or choose another status.", width="content")
        place.button("Show all sources", type="primary", icon=":material/filter_alt_off:", on_click=_show_all)
    else:
        place.markdown(
            "There are no bucketed sources yet. Press **Add estimates** to import a file, or bucket a source "
            "in 2ndlook."
        )


def _show_all() -> None:
    st.session_state.update(search="", status="all", page=1)


def _show_hint(place: DeltaGenerator, found: SourcePage, table: str) -> None:
    """Draw what to do first or, once a source is open, which one, at the top of the list."""
    names = {row.source.source_id: row.source.shown_name for row in found.rows}
    chosen = st.query_params.get("source")
    if chosen is not None:
        name = names.get(read_id(chosen) or chosen)
        subject = "The selected source" if name is None else f"**{escape(name, limit=80)}**"
        place.markdown(f"{subject} is open below the table.", width="content")
        place.button("Close", icon=":material/close:", type="tertiary", on_click=_choose, args=(table,))
        return
    first = next((row for row in found.rows if _ready(row)), found.rows[0]).source
    place.button(
        f"Open {escape(first.shown_name, limit=60)}",
        type="primary",
        icon=":material/play_arrow:",
        on_click=_choose,
        args=(table, first.source_id, list(names).index(first.source_id)),
    )
    place.markdown(
        "Or select a source in the table to see its buckets and generate its snapshot.", width="content"
    )


def _choose(table: str, source_id: str | None = None, row: int = 0) -> None:
    chosen = {} if source_id is None else {"source": source_id}
    kept = {name: value for name, value in st.query_params.to_dict().items() if name != "source"}
    st.query_params.from_dict({**kept, **chosen})
    rows = [] if source_id is None else [row]
    st.session_state[table] = {"selection": {"rows": rows, "columns": [], "cells": []}}


def _ready(row: SourceRow) -> bool:
    return row.source.status == RUNNABLE and (row.estimate_count or 0) >= MIN_ESTIMATES


def _status_label(status: str) -> str:
    return "bucketed, ready" if status == RUNNABLE else status.replace("_", " ")


def _status_of(row: SourceRow) -> str:
    return "bucketed, ready" if _ready(row) else row.source.status[:40].replace("_", " ")


def _show_table(found: SourcePage, user_id: str) -> str:
    """Draw the table.

    Returns:
        Its key in the session's state.
    """
    ids = [row.source.source_id for row in found.rows]
    key = f"{user_id} {' '.join(ids)}"  # a table per list of rows, or the selection would stay
    chosen = st.query_params.get("source")
    today = datetime.now(UTC).date()

    def choose() -> None:
        rows: list[int] = st.session_state[key]["selection"]["rows"]
        if rows:
            st.query_params["source"] = ids[rows[0]]
        else:
            st.query_params.pop("source", None)

    st.dataframe(  # pyright: ignore[reportUnknownMemberType] -- pyarrow has no types
        arrow.of_columns(
            {
                "Name": [row.source.shown_name[:200] for row in found.rows],
                "Status": [_status_of(row) for row in found.rows],
                "Estimates": [row.estimate_count for row in found.rows],
                "Confidence": [row.confidence_level for row in found.rows],
                "Last snapshot": [(row.snapshot_at or "")[:10] for row in found.rows],
                "Type": [row.source.source_type[:40] for row in found.rows],
                "Stands out": [strongest_of(row, today) for row in found.rows],
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
        alt="Your bucketed sources; select a row to open a source",
    )
    return key


def _show_pages(total: int) -> None:
    pages = math.ceil(total / PAGE_SIZE)
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.caption(f"{total:,} source{'' if total == 1 else 's'}", width="content")
        if pages > 1:
            st.pagination(pages, key="page", bind="query-params")
