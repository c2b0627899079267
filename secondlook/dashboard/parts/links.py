"""Links from one page to another, as the URL of the other page has them."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from secondlook.dashboard import PAGES
from secondlook.dashboard.parts.problems import escape


def show_run_link(run_id: str, label: str = "Run details") -> None:
    """Link to a run's details."""
    _show_link("runs.py", label, ":material/search:", run=run_id)


def show_source_link(source_id: str, label: str, **query: str) -> None:
    """Link to a source."""
    _show_link("sources.py", escape(label, limit=120), ":material/table_rows:", source=source_id, **query)


def show_snapshot_link(snapshot_id: str, label: str = "Open snapshot page") -> None:
    """Link to a snapshot's page."""
    _show_link("snapshots.py", label, ":material/photo_camera:", snapshot=snapshot_id)


def show_snapshot_links(snapshot_id: str, source_id: str) -> None:
    """Link from a source's snapshot to its page and to the source's other snapshots."""
    show_snapshot_link(snapshot_id, "Open snapshot page")
    show_history_link(source_id, "All snapshots of this source")


def show_history_link(source_id: str, label: str) -> None:
    """Link to the history of a source's snapshots."""
    _show_link("snapshots.py", label, ":material/history:", source=source_id)


def show_next_step(label: str, icon: str = ":material/history:", **query: str) -> None:
    """Draw a button to another part of the same page; a link to it would look like the open page."""
    st.button(
        label,
        key=f"step {label} {query}",
        type="tertiary",
        icon=icon,
        on_click=_go,
        args=(query,),
    )


def _go(query: Mapping[str, str]) -> None:
    kept = {name: st.query_params[name] for name in ("user",) if name in st.query_params}
    st.query_params.from_dict({**kept, **query})


def show_sources_link(label: str = "Choose a source") -> None:
    """Link to the list of sources."""
    _show_link("sources.py", label, ":material/table_rows:")


def show_import_link() -> None:
    """Link to the import of a file."""
    _show_link("import.py", "Add estimates", ":material/upload_file:")


def _show_link(page: str, label: str, icon: str, **query: str) -> None:
    st.page_link(PAGES / page, label=label, icon=icon, query_params=query)
