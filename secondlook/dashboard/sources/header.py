"""The chosen source at a glance: its name, its figures, and warnings about its buckets."""

from __future__ import annotations

import streamlit as st

from secondlook.dashboard.parts import buckets, figures
from secondlook.dashboard.parts.problems import escape, show_error
from secondlook.domain import stored_snapshots
from secondlook.domain.runs import Run
from secondlook.domain.snapshots import Snapshot
from secondlook.domain.sources import SourceRecord
from secondlook.errors import StoreUnavailable
from secondlook.pipeline.preview import Preview, changed_since, changed_since_queued
from secondlook.views.figures import busiest, largest


def show_source(view: Preview, snapshot: Snapshot | None, run: Run | None) -> None:
    """Draw the source's name, its figures, and what is odd about its buckets."""
    st.header(escape(view.source.shown_name, limit=120), divider="gray", anchor=False)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge(escape(view.source.source_type, limit=40), color="gray")
        st.badge(escape(view.source.status.replace("_", " "), limit=40), color="gray")
        if run is not None and changed_since_queued(run, view.agent_input):
            st.badge("Buckets changed since this run began", icon=":material/sync_problem:", color="orange")
        elif snapshot is not None and changed_since(snapshot.result, view.agent_input):
            st.badge("Buckets changed since this snapshot", icon=":material/sync_problem:", color="orange")
        elif snapshot is not None:
            st.badge("Snapshot is up to date", icon=":material/check:", color="green")
    if view.agent_input is None:
        return
    weeks = view.agent_input.demand.weekly_volume
    top = busiest(weeks)
    figures.show_metrics(
        {
            "Estimates": f"{view.agent_input.estimate_count:,}",
            "Confidence": view.agent_input.confidence_level,
            "Weeks with estimates": str(sum(week.count > 0 for week in weeks)),
            "Busiest week": f"{top.week} ({top.count})" if top else "none",
            "Largest price band": largest(view.agent_input.demand.price_distribution).band,
            "Largest latency band": largest(view.agent_input.decision_latency.distribution).band,
        },
        width=figures.METRIC_PIXELS,
    )
    for warning in view.warnings:
        st.warning(escape(warning), icon=":material/warning:")


def read_snapshot(record: SourceRecord) -> Snapshot | None:
    """Return the source's newest snapshot; draw an error where it cannot be read, and hide nothing else."""
    if record.snapshot is None:
        return None
    try:
        return stored_snapshots.read_snapshot(record.snapshot)
    except StoreUnavailable as error:
        show_error(error)
        return None


def show_buckets(view: Preview) -> None:
    """Draw the buckets as charts."""
    if view.agent_input is None:
        return
    st.subheader("Buckets", anchor=False)
    buckets.show_charts(view.agent_input.demand, view.agent_input.decision_latency)
