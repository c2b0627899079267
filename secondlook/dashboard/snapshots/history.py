"""The history of snapshots, and one snapshot: charts, JSON, report, and the run that made it."""

from __future__ import annotations

import math

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from secondlook.dashboard.parts import agent, arrow, buckets, links
from secondlook.dashboard.parts import insights as insight_parts
from secondlook.dashboard.parts import run as run_parts
from secondlook.dashboard.parts import snapshot as snapshot_parts
from secondlook.dashboard.parts.budgets import moment
from secondlook.dashboard.parts.problems import escape
from secondlook.dashboard.snapshots import explain
from secondlook.domain.access import Access
from secondlook.domain.buckets import BandCount, WeekCount
from secondlook.domain.identifiers import canonical
from secondlook.domain.snapshots import SnapshotPage, SnapshotResult, SnapshotRow
from secondlook.domain.stored_snapshots import fingerprint
from secondlook.errors import SourceNotFound
from secondlook.services import Services
from secondlook.stores.base import Store
from secondlook.views.drawing import MOST, draw_bands, draw_weeks
from secondlook.views.export import neutralise
from secondlook.views.insights import InsightsView, read_insights, written
from secondlook.views.snapshot import SOURCE_GONE, SnapshotView, read_snapshot_view

PAGE_SIZE = 10
_PAGE = "snapshots-page"
_CHOICES = 100  # to compare with
_LARGEST = 2**53  # what a browser counts to
_ROW_PIXELS = 35
_COLUMNS = {
    "Source": st.column_config.TextColumn(width=260),
    "Generated, UTC": st.column_config.TextColumn(width=140),
    "Estimates": st.column_config.NumberColumn(format="%d", width=90),
    "Confidence": st.column_config.TextColumn(width=100),
    "Snapshot": st.column_config.TextColumn(width=90),
}


# -- the history ----------------------------------------------------------------------------------------


def show_history(services: Services, access: Access) -> None:
    """Draw the user's snapshots, newest first, of the source that the URL names or of all sources."""
    store = services.store(access)
    source_id = _wanted_source()
    if source_id is not None:
        _show_source(store, access, source_id)
    page = st.session_state.get(_PAGE, 1)
    found = _read_page(store, access, source_id, page)
    if not found.rows and page > 1:  # of another source, or from a hand-edited URL
        st.session_state[_PAGE] = 1
        found = _read_page(store, access, source_id, 1)
    if not found.total:
        st.info("There are no snapshots yet. Generate one to see it here.")
        links.show_sources_link()
        return
    steps = st.container(horizontal=True, vertical_alignment="center")
    selected = _show_table(found.rows)
    _show_steps(steps, found.rows[0], selected, newest=page == 1)
    pages = math.ceil(found.total / PAGE_SIZE)
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.caption(f"{found.total:,} snapshot{'' if found.total == 1 else 's'}", width="content")
        if pages > 1:
            st.pagination(pages, key=_PAGE, bind="query-params")


def _show_steps(
    place: DeltaGenerator, first: SnapshotRow, selected: list[SnapshotRow], *, newest: bool
) -> None:
    """Draw what to do, at the top of the list."""
    two = len(selected) == 2
    with place:
        st.button(
            "Open snapshot" if selected else "Open newest snapshot" if newest else "Open first snapshot",
            key="open-snapshot",
            type="secondary" if two else "primary",
            icon=":material/photo_camera:",
            disabled=len(selected) > 1,
            on_click=_open,
            args=(selected or [first],),
        )
        st.button(
            "Compare selected",
            type="primary" if two else "secondary",
            icon=":material/compare_arrows:",
            disabled=not two,
            on_click=_compare,
            args=(selected,),
        )
        st.markdown("Select one snapshot to open it, or two to compare them.", width="content")


def _read_page(store: Store, access: Access, source_id: str | None, page: int) -> SnapshotPage:
    return store.list_snapshots(
        access.user_id, source_id=source_id, offset=(page - 1) * PAGE_SIZE, limit=PAGE_SIZE
    )


def _wanted_source() -> str | None:
    source_id = st.query_params.get("source")
    return None if source_id is None else canonical(source_id)


def _show_source(store: Store, access: Access, source_id: str) -> None:
    record = store.load(source_id, access.user_id)
    if record is None:
        raise SourceNotFound
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"Source **{escape(record.source.shown_name, limit=120)}**", width="content")
        links.show_source_link(source_id, "Open source")
        links.show_next_step("Show all sources")


def _show_table(rows: tuple[SnapshotRow, ...]) -> list[SnapshotRow]:
    key = "snapshots " + " ".join(row.snapshot_id for row in rows)  # other rows are another table
    st.dataframe(  # pyright: ignore[reportUnknownMemberType] -- pyarrow has no types
        arrow.of_columns(
            {
                "Source": [neutralise(row.source_name[:200]) for row in rows],
                "Generated, UTC": [moment(row.generated_at).removesuffix(" UTC") for row in rows],
                "Estimates": [row.estimate_count for row in rows],
                "Confidence": [row.confidence_level[:40] for row in rows],
                "Snapshot": [row.snapshot_id[:8] for row in rows],
            }
        ),
        hide_index=True,
        height=_ROW_PIXELS * (len(rows) + 1) + 3,
        column_config=_COLUMNS,
        placeholder="unknown",
        key=key,
        on_select="rerun",
        selection_mode="multi-row",
        alt="Snapshots, newest first; select one to open it, or two to compare them",
    )
    chosen: list[int] = st.session_state[key]["selection"]["rows"]
    return [rows[index] for index in sorted(chosen) if index < len(rows)]


def _open(selected: list[SnapshotRow]) -> None:
    st.query_params["snapshot"] = selected[0].snapshot_id


def _compare(selected: list[SnapshotRow]) -> None:
    newer, older = selected
    st.query_params["compare"] = f"{older.snapshot_id},{newer.snapshot_id}"


# -- one snapshot ---------------------------------------------------------------------------------------


def show_one(services: Services, access: Access, snapshot_id: str) -> None:
    """Draw a snapshot by its id."""
    view = read_snapshot_view(services.store(access), services.ledger, snapshot_id, access.user_id)
    snapshot = view.snapshot
    st.header(escape(view.title, limit=120), divider="gray", anchor=False)
    show_badges(view)
    with st.container(horizontal=True, vertical_alignment="center"):
        links.show_next_step("All snapshots")
        if view.source_name:
            links.show_next_step("Snapshots of this source", source=snapshot.source_id)
            links.show_source_link(snapshot.source_id, "Open source")
        if view.run is not None:
            links.show_run_link(snapshot.snapshot_id)
    insights = read_insights(services.store(access), services.ledger, snapshot.snapshot_id, access.user_id)
    _show_downloads(view, insights)
    _show_choice(services.store(access), access, view)
    marked = insight_parts.show_insights(insights.facts, snapshot.snapshot_id, written(insights))
    explain.show_explain(services, insights)
    show_charts(snapshot.result, marked)
    left, right = snapshot_parts.result_place()
    with left:
        snapshot_parts.show_json(view)
    with right:
        snapshot_parts.show_snapshot_usage(view)
    _show_messages(view)


def show_badges(view: SnapshotView) -> None:
    """Draw a snapshot at a glance."""
    snapshot, run = view.snapshot, view.run
    with st.container(horizontal=True, vertical_alignment="center"):
        validated = view.verification.validated
        icon, color = ("check", "green") if validated else ("help", "orange")
        st.badge(view.verification.text, icon=f":material/{icon}:", color=color)
        if run is not None:
            run_parts.show_rehearsal_badge(run)
            agent.show_local_badge(run)
        st.badge(escape(moment(snapshot.generated_at)), color="gray")
        st.badge(f"{snapshot.estimate_count:,} estimates", color="gray")
        st.badge(f"{snapshot.confidence_level} confidence", color="gray")


def _show_downloads(view: SnapshotView, insights: InsightsView) -> None:
    snapshot, demand = view.snapshot, view.result.demand
    drawn = {
        "weekly volume": lambda: draw_weeks(demand.weekly_volume),
        "price bands": lambda: draw_bands("Price bands", demand.price_distribution),
        "decision latency": lambda: draw_bands("Decision latency", view.result.decision_latency.distribution),
    }
    with st.container(horizontal=True, vertical_alignment="center"):
        snapshot_parts.show_report_button(view, lambda: insights)
        with st.popover("Charts as SVG", icon=":material/bar_chart:"):
            for name, draw in drawn.items():
                st.download_button(
                    name.capitalize(),
                    lambda draw=draw: draw().encode(),
                    file_name=f"snapshot-{snapshot.snapshot_id}-{name.replace(' ', '-')}.svg",
                    mime="image/svg+xml",
                    icon=":material/download:",
                    on_click="ignore",
                )
            st.caption("For PNG, use the button above each chart.")
    st.caption(f"SHA-256 of the canonical JSON: {fingerprint(view.result)}")


def _show_choice(store: Store, access: Access, view: SnapshotView) -> None:
    """Draw the choice of a snapshot to compare with, those of the same source first."""
    own_id = view.snapshot.snapshot_id
    found = (
        *store.list_snapshots(access.user_id, source_id=view.snapshot.source_id, limit=_CHOICES).rows,
        *store.list_snapshots(access.user_id, limit=_CHOICES).rows,
    )
    others = {row.snapshot_id: row for row in found if row.snapshot_id != own_id}
    if not others:
        return

    def name(snapshot_id: str) -> str:
        row = others[snapshot_id]
        return f"{row.source_name[:80] or SOURCE_GONE}, {moment(row.generated_at)}"

    chosen = st.selectbox(
        "Compare with",
        list(others),
        index=None,
        format_func=name,
        placeholder="Choose a snapshot of this or another source",
        key=f"compare-{own_id}",
    )
    if chosen is not None:
        newer = (view.snapshot.generated_at, own_id) > (others[chosen].generated_at, chosen)
        pair = (chosen, own_id) if newer else (own_id, chosen)
        st.query_params.from_dict(_kept() | {"compare": ",".join(pair)})
        st.rerun()


def _kept() -> dict[str, str]:
    """Return what stays in the URL whatever is shown: the user whose pages are shown."""
    return {name: st.query_params[name] for name in ("user",) if name in st.query_params}


def show_charts(result: SnapshotResult, marked: frozenset[str]) -> None:
    """Draw the three charts of a result, with these cells marked; one of another program may be too large."""
    demand, latency = result.demand, result.decision_latency
    if not can_be_drawn(demand.weekly_volume, demand.price_distribution, latency.distribution):
        st.info("This result is too large to draw. See its JSON.")
        return
    buckets.show_charts(demand, latency, marked)


def can_be_drawn(weeks: tuple[WeekCount, ...], *distributions: tuple[BandCount, ...]) -> bool:
    """Return whether a browser can draw it: not too many or too large values, no empty distribution."""
    lists = (weeks, *distributions)
    return (
        all(len(entries) <= MOST for entries in lists)
        and all(distributions)
        and all(entry.count < _LARGEST for entries in lists for entry in entries)
    )


def _show_messages(view: SnapshotView) -> None:
    st.subheader("What the agent saw", anchor=False)
    messages = view.messages
    if not messages:
        st.info("Unknown here. Another program made this snapshot, or what was sent has been erased.")
        return
    st.caption("The agent saw these two messages and the locked schema of the answer, nothing else.")
    for message in messages:
        st.code(message, language=None, wrap_lines=True)
