"""The history of snapshots, and one of them: charts, JSON, report, and the run that made it."""

from __future__ import annotations

import math

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from secondlook.dashboard.parts import links, panels, tables
from secondlook.dashboard.parts.budgets import moment
from secondlook.dashboard.parts.problems import escape
from secondlook.dashboard.sources import generate
from secondlook.domain.access import Access
from secondlook.domain.buckets import BandCount, WeekCount
from secondlook.domain.identifiers import canonical
from secondlook.domain.runs import Run
from secondlook.domain.snapshots import SnapshotPage, SnapshotResult, SnapshotRow
from secondlook.domain.stored_snapshots import fingerprint
from secondlook.errors import SourceNotFound
from secondlook.services import Services
from secondlook.stores.base import Store
from secondlook.views import report
from secondlook.views.comparison import Side, read_side
from secondlook.views.drawing import MOST, draw_bands, draw_weeks
from secondlook.views.export import neutralise

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
    """The user's snapshots, newest first, of the source that the URL names or of all; two can be ticked."""
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
        st.info("There are no snapshots yet. Generate one: it appears here with all later ones.")
        links.show_sources_link()
        return
    way = st.container(horizontal=True, vertical_alignment="center")
    ticked = _show_table(found.rows)
    _show_ways(way, found.rows[0], ticked, newest=page == 1)
    pages = math.ceil(found.total / PAGE_SIZE)
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.caption(f"{found.total:,} snapshot{'' if found.total == 1 else 's'}", width="content")
        if pages > 1:
            st.pagination(pages, key=_PAGE, bind="query-params")


def _show_ways(way: DeltaGenerator, first: SnapshotRow, ticked: list[SnapshotRow], *, newest: bool) -> None:
    """What to do, at the top, where it is seen first."""
    two = len(ticked) == 2
    with way:
        st.button(
            "Open snapshot" if ticked else "Open the newest" if newest else "Open the first shown",
            key="open-snapshot",
            type="secondary" if two else "primary",
            icon=":material/photo_camera:",
            disabled=len(ticked) > 1,
            on_click=_open,
            args=(ticked or [first],),
        )
        st.button(
            "Compare both",
            type="primary" if two else "secondary",
            icon=":material/compare_arrows:",
            disabled=not two,
            on_click=_compare,
            args=(ticked,),
        )
        st.markdown("Tick one to open it, two to compare them: the older one comes first.", width="content")


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
        st.markdown(f"Of **{escape(record.source.shown_name, limit=120)}**", width="content")
        links.show_source_link(source_id, "The source")
        links.show_next_step("Of all sources")


def _show_table(rows: tuple[SnapshotRow, ...]) -> list[SnapshotRow]:
    key = "snapshots " + " ".join(row.snapshot_id for row in rows)  # other rows are another table
    st.dataframe(  # pyright: ignore[reportUnknownMemberType] -- pyarrow has no types
        tables.of_columns(
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
        alt="Snapshots, newest first; tick one to open it, two to compare them",
    )
    chosen: list[int] = st.session_state[key]["selection"]["rows"]
    return [rows[index] for index in sorted(chosen) if index < len(rows)]


def _open(ticked: list[SnapshotRow]) -> None:
    st.query_params["snapshot"] = ticked[0].snapshot_id


def _compare(ticked: list[SnapshotRow]) -> None:
    newer, older = ticked
    st.query_params["compare"] = f"{older.snapshot_id},{newer.snapshot_id}"


# -- one snapshot ---------------------------------------------------------------------------------------


def show_one(services: Services, access: Access, snapshot_id: str) -> None:
    """A snapshot by its id."""
    side = read_side(services.store(access), services.ledger, snapshot_id, access.user_id)
    snapshot = side.snapshot
    st.header(escape(side.source_name or "A source that is gone", limit=120), divider="gray", anchor=False)
    show_marks(side)
    with st.container(horizontal=True, vertical_alignment="center"):
        links.show_next_step("All snapshots")
        if side.source_name:
            links.show_next_step("This source's snapshots", source=snapshot.source_id)
            links.show_source_link(snapshot.source_id, "The source")
        if side.run is not None:
            links.show_run_link(snapshot.snapshot_id, "The run that made it")
    _show_downloads(side)
    _show_choice(services.store(access), access, side)
    show_charts(snapshot.result)
    left, right = panels.result_place()
    with left:
        panels.show_json(snapshot, side.run)
    with right:
        panels.show_snapshot_usage(snapshot, side.run)
    _show_seen(side.run)


def show_marks(side: Side) -> None:
    """What a snapshot is at a glance."""
    snapshot, run = side.snapshot, side.run
    with st.container(horizontal=True, vertical_alignment="center"):
        said = report.standing(snapshot, run)
        icon, color = ("help", "orange") if said.warns else ("check", "green")
        st.badge(said.text.capitalize(), icon=f":material/{icon}:", color=color)
        if run is not None:
            generate.show_mark(run)
            if run.agent == "offline":
                st.badge("Offline agent", icon=":material/cloud_off:", color="orange")
        st.badge(escape(moment(snapshot.generated_at)), color="gray")
        st.badge(f"{snapshot.estimate_count:,} estimates", color="gray")
        st.badge(f"{snapshot.confidence_level} confidence", color="gray")


def _show_downloads(side: Side) -> None:
    snapshot, demand = side.snapshot, side.result.demand
    drawn = {
        "weekly volume": lambda: draw_weeks(demand.weekly_volume),
        "price bands": lambda: draw_bands("Price bands", demand.price_distribution),
        "decision latency": lambda: draw_bands("Decision latency", side.result.decision_latency.distribution),
    }
    with st.container(horizontal=True, vertical_alignment="center"):
        panels.show_report_button(snapshot, side.source_name, side.run)
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
            st.caption("As PNG: the button above each chart.")
    st.caption(f"SHA-256 of the canonical JSON: {fingerprint(side.result)}")


def _show_choice(store: Store, access: Access, side: Side) -> None:
    """Choose another snapshot to compare this one with: of its source first, then of others."""
    own_id = side.snapshot.snapshot_id
    found = (
        *store.list_snapshots(access.user_id, source_id=side.snapshot.source_id, limit=_CHOICES).rows,
        *store.list_snapshots(access.user_id, limit=_CHOICES).rows,
    )
    others = {row.snapshot_id: row for row in found if row.snapshot_id != own_id}
    if not others:
        return

    def name(snapshot_id: str) -> str:
        row = others[snapshot_id]
        return f"{row.source_name[:80] or 'A source that is gone'}, {moment(row.generated_at)}"

    chosen = st.selectbox(
        "Compare with",
        list(others),
        index=None,
        format_func=name,
        placeholder="Another snapshot, of this source or of another",
        key=f"compare-{own_id}",
    )
    if chosen is not None:
        newer = (side.snapshot.generated_at, own_id) > (others[chosen].generated_at, chosen)
        pair = (chosen, own_id) if newer else (own_id, chosen)
        st.query_params.from_dict(_kept() | {"compare": ",".join(pair)})
        st.rerun()


def _kept() -> dict[str, str]:
    """What stays in the URL whatever is shown: as whom one looks."""
    return {name: st.query_params[name] for name in ("user",) if name in st.query_params}


def show_charts(result: SnapshotResult) -> None:
    """The three charts of a result; one of another program may be past drawing."""
    demand, latency = result.demand, result.decision_latency
    if not can_be_drawn(demand.weekly_volume, demand.price_distribution, latency.distribution):
        st.info("This result is too large to draw: see its JSON.")
        return
    panels.show_charts(demand, latency)


def can_be_drawn(weeks: tuple[WeekCount, ...], *distributions: tuple[BandCount, ...]) -> bool:
    """Whether a browser can: neither too many nor too large, and no empty distribution."""
    lists = (weeks, *distributions)
    return (
        all(len(entries) <= MOST for entries in lists)
        and all(distributions)
        and all(entry.count < _LARGEST for entries in lists for entry in entries)
    )


def _show_seen(run: Run | None) -> None:
    st.subheader("What the agent saw", anchor=False)
    seen = report.messages_of(run)
    if not seen:
        st.info("Not known here: it was made elsewhere, or what was sent has been erased.")
        return
    st.caption("These two messages, to the letter, and the locked schema of the answer; nothing else.")
    for message in seen:
        st.code(message, language=None, wrap_lines=True)
