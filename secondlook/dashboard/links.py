"""Links from one page to another, by what the other page takes in its URL."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from secondlook.dashboard.problems import escape

PAGES = Path(__file__).resolve().parents[2] / "pages"


def show_run_link(run_id: str, label: str = "The run under the lens") -> None:
    """To a run's own page."""
    _show_link("runs.py", label, ":material/search:", run=run_id)


def show_source_link(source_id: str, label: str, **query: str) -> None:
    """To a source's page."""
    _show_link("sources.py", escape(label, limit=120), ":material/table_rows:", source=source_id, **query)


def show_snapshot_link(snapshot_id: str, label: str = "The snapshot by itself") -> None:
    """To a snapshot's own page."""
    _show_link("snapshots.py", label, ":material/photo_camera:", snapshot=snapshot_id)


def show_snapshot_links(snapshot_id: str, source_id: str) -> None:
    """From a source's snapshot to its own page, and to those before it."""
    with st.container(horizontal=True):
        show_snapshot_link(snapshot_id, "By itself: report, charts, comparison")
        show_history_link(source_id, "All snapshots of this source")


def show_history_link(source_id: str | None = None, label: str = "Its snapshots") -> None:
    """To the history of snapshots, of a source or of all."""
    of = {} if source_id is None else {"source": source_id}
    _show_link("snapshots.py", label, ":material/history:", **of)


def _show_link(page: str, label: str, icon: str, **query: str) -> None:
    st.page_link(PAGES / page, label=label, icon=icon, query_params=query)
