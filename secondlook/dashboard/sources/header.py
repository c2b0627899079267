"""The chosen source at a glance: its name, its figures, and warnings about its buckets."""

from __future__ import annotations

from datetime import UTC, datetime

import streamlit as st

from secondlook.dashboard.parts import buckets, figures, insights
from secondlook.dashboard.parts.problems import escape, show_error
from secondlook.domain import stored_snapshots
from secondlook.domain.runs import Run
from secondlook.domain.snapshots import Snapshot
from secondlook.domain.sources import SourceRecord
from secondlook.errors import StoreUnavailable
from secondlook.pipeline.peers import read_peers
from secondlook.pipeline.preview import Preview, changed_since, changed_since_queued
from secondlook.stores.base import Store
from secondlook.tasks.insights.facts import Fact, facts_of, given_of
from secondlook.views.figures import largest


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
    figures.show_metrics(
        {
            "Estimates": f"{view.agent_input.estimate_count:,}",
            "Confidence": view.agent_input.confidence_level,
            "Weeks with estimates": str(sum(week.count > 0 for week in weeks)),
            "Busiest week": _one([f"{week.week} ({week.count})" for week in largest(weeks)]),
            "Largest price band": _one(
                [band.band for band in largest(view.agent_input.demand.price_distribution)]
            ),
            "Largest latency band": _one(
                [band.band for band in largest(view.agent_input.decision_latency.distribution)]
            ),
        },
        width=figures.METRIC_PIXELS,
    )
    for warning in view.warnings:
        st.warning(escape(warning), icon=":material/warning:")


def _one(found: list[str]) -> str:
    """What is the largest; several that tie are none of them."""
    if len(found) > 1:
        return f"{len(found)} tie"
    return found[0] if found else "none"


def read_snapshot(record: SourceRecord) -> Snapshot | None:
    """Return the source's newest snapshot; draw an error where it cannot be read, and hide nothing else."""
    if record.snapshot is None:
        return None
    try:
        return stored_snapshots.read_snapshot(record.snapshot)
    except StoreUnavailable as error:
        show_error(error)
        return None


def show_insights(view: Preview, snapshot: Snapshot | None, store: Store) -> frozenset[str]:
    """Draw what stands out in the buckets, compared with the newest snapshot.

    Returns:
        The cells to mark in the charts.
    """
    given, source = view.agent_input, view.source
    if given is None:
        return frozenset()
    previous = None if snapshot is None else given_of(snapshot.result)

    def compared() -> tuple[Fact, ...]:
        today = datetime.now(UTC).date()
        return facts_of(given, previous, read_peers(store, source.user_id, source.source_id, today))

    return insights.show_insights(facts_of(given, previous), source.source_id, compared=compared)


def show_buckets(view: Preview, marked: frozenset[str]) -> None:
    """Draw the buckets as charts, with these cells marked."""
    if view.agent_input is None:
        return
    st.subheader("Buckets", anchor=False)
    buckets.show_charts(view.agent_input.demand, view.agent_input.decision_latency, marked)
