"""Two snapshots side by side: paired charts, what changed, and warnings."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from secondlook.dashboard.parts import arrow, charts, insights, links
from secondlook.dashboard.parts.charts import FIRST, SECOND
from secondlook.dashboard.parts.problems import escape
from secondlook.dashboard.snapshots.history import can_be_drawn, show_badges
from secondlook.domain.access import Access
from secondlook.domain.identifiers import not_found
from secondlook.services import Services
from secondlook.tasks.insights.facts import facts_of, given_of
from secondlook.views.comparison import BandChange, Comparison, WeekChange, compare
from secondlook.views.insights import standing_out
from secondlook.views.snapshot import SnapshotView, read_snapshot_view


def show_comparison(services: Services, access: Access, pair: str) -> None:
    """Draw two snapshots by their ids.

    Args:
        services: The parts to work with.
        access: Whose snapshots they must be.
        pair: As the URL has them: the first's id, a comma, the second's.
    """
    ids = pair.split(",")
    if len(ids) != 2:
        raise not_found("snapshot_id")
    store, ledger = services.store(access), services.ledger
    found = compare(*(read_snapshot_view(store, ledger, each.strip(), access.user_id) for each in ids))
    st.header("Comparison", divider="gray", anchor=False)
    with st.container(horizontal=True, vertical_alignment="center"):
        links.show_next_step("All snapshots")
        st.button("Swap", icon=":material/swap_horiz:", on_click=_swap, args=(ids,))
    for column, name, view in zip(
        st.columns(2, border=True), (FIRST, SECOND), (found.first, found.second), strict=True
    ):
        with column:
            _show_snapshot(name, view)
    for warning in found.warnings:
        st.warning(escape(warning), icon=":material/warning:")
    if found.moved is not None:
        st.markdown(escape(found.moved.sentence, limit=1000))
    _show_totals(found)
    results = (found.first.result, found.second.result)
    if all(
        can_be_drawn(
            each.demand.weekly_volume, each.demand.price_distribution, each.decision_latency.distribution
        )
        for each in results
    ):
        _show_charts(found)
    else:
        st.info("One of the results is too large to draw. See its JSON.")


def _swap(ids: Sequence[str]) -> None:
    st.query_params["compare"] = ",".join(reversed(ids))


def _show_snapshot(name: str, view: SnapshotView) -> None:
    st.subheader(f"{name}: {escape(view.title, limit=80)}", anchor=False)
    show_badges(view)
    if view.run is not None:
        run = view.run
        st.caption(f"Model {escape(run.answered_model or run.model)}, prompt {escape(run.prompt_version)}")
    snapshot_id = view.snapshot.snapshot_id
    links.show_next_step("Open snapshot page", ":material/photo_camera:", snapshot=snapshot_id)
    insights.show_sentences(standing_out(facts_of(given_of(view.result))))


def _show_totals(found: Comparison) -> None:
    before, after = found.first.snapshot, found.second.snapshot
    price, latency = (max(bands, key=lambda band: abs(band.points), default=None) for bands in _both(found))
    with st.container(horizontal=True):
        st.metric(
            "Estimates",
            f"{after.estimate_count:,}",
            f"{signed(found.estimates_change)} from {before.estimate_count:,}"
            if found.estimates_change
            else "unchanged",
            delta_color="off",
            delta_arrow="off",
        )
        st.metric(
            "Confidence",
            after.confidence_level,
            f"was {before.confidence_level}"
            if before.confidence_level != after.confidence_level
            else "unchanged",
            delta_color="off",
            delta_arrow="off",
        )
        for name, band in (("Largest price change", price), ("Largest latency change", latency)):
            if band is not None:
                moved = bool(band.points)
                said = escape(band.band, limit=20) if moved else "none"
                change = f"{band.points:+.1f} points" if moved else "unchanged"
                st.metric(name, said, change, delta_color="off", delta_arrow="off")


def _both(found: Comparison) -> tuple[tuple[BandChange, ...], tuple[BandChange, ...]]:
    return found.price, found.latency


def signed(change: int) -> str:
    """Return a change in counts with its sign."""
    return f"{change:+,}" if change else "0"


def _show_charts(found: Comparison) -> None:
    with st.container(border=True):
        st.markdown("**Weekly volume**")
        st.vega_lite_chart(  # pyright: ignore[reportUnknownMemberType] -- pyarrow has no types
            charts.paired_weeks(found.weeks),
            charts.PAIRED_WEEKS,
            width="stretch",
            alt=_describe_weeks(found.weeks),
        )
        with st.expander("Numbers", type="compact"):
            _show_table([_week_row(week) for week in found.weeks])
    for column, name, bands in zip(
        st.columns(2, border=True), ("Price bands", "Decision latency"), _both(found), strict=True
    ):
        with column:
            st.markdown(f"**{name}**, share of all")
            st.vega_lite_chart(  # pyright: ignore[reportUnknownMemberType] -- pyarrow has no types
                charts.paired_bands(bands),
                charts.PAIRED_BANDS,
                width="stretch",
                alt=_describe_bands(name, bands),
            )
            _show_table([_band_row(band) for band in bands])


def _week_row(week: WeekChange) -> dict[str, str]:
    def said(count: int | None) -> str:
        return "not covered" if count is None else f"{count:,}"

    return {
        "Week": week.week,
        FIRST: said(week.before),
        SECOND: said(week.after),
        "Change": "" if week.change is None else signed(week.change),
    }


def _band_row(band: BandChange) -> dict[str, str]:
    return {
        "Band": band.band,
        FIRST: f"{band.before:,} ({band.share_before:.1%})",
        SECOND: f"{band.after:,} ({band.share_after:.1%})",
        "Change": signed(band.change),
        "Points": f"{band.points:+.1f}",
    }


def _show_table(rows: Sequence[dict[str, str]]) -> None:
    shown = [{name: escape(value, limit=60) for name, value in row.items()} for row in rows]
    st.table(arrow.of_rows(shown), hide_index=True, border="horizontal")  # pyright: ignore[reportUnknownMemberType] -- pyarrow has no types


def _describe_weeks(weeks: Sequence[WeekChange]) -> str:
    first = sum(week.before or 0 for week in weeks)
    second = sum(week.after or 0 for week in weeks)
    if not weeks:
        return "Weekly volume of both snapshots: no week."
    return (
        f"Weekly volume of both snapshots from {weeks[0].week} to {weeks[-1].week}: "
        f"{first} estimates in the first, {second} in the second."
    )


def _describe_bands(name: str, bands: Sequence[BandChange]) -> str:
    parts = ", ".join(f"{band.band} from {band.share_before:.0%} to {band.share_after:.0%}" for band in bands)
    return f"{name} of both snapshots: {parts}."
