"""A snapshot as several pages draw it: its JSON, its report, and what its run used."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from secondlook.dashboard.parts import run as run_parts
from secondlook.dashboard.parts.problems import escape
from secondlook.views import report
from secondlook.views.insights import InsightsView
from secondlook.views.snapshot import SnapshotView

_RESULT_PIXELS = 560


def result_place() -> tuple[DeltaGenerator, DeltaGenerator]:
    """Return where a result stands, and where its usage does: of one size, so that nothing jumps."""
    st.subheader("Snapshot", anchor=False)
    left, right = st.columns([3, 2])
    return left.container(height=_RESULT_PIXELS, border=True), right


def show_waiting() -> None:
    """Draw the place where the usage of a run will stand."""
    st.caption("Usage appears here once the agent has answered.")
    st.skeleton(_RESULT_PIXELS - 40)


def show_json(view: SnapshotView, before: Callable[[], None] | None = None) -> None:
    """Draw the JSON with its download.

    Args:
        view: The snapshot.
        before: Draws what stands above the JSON.
    """
    snapshot = view.snapshot
    text = snapshot.result.model_dump_json(indent=2)
    # The button lies inside: by keyboard, a part of a page can only be scrolled where it holds a focus.
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        kind = "Validated result" if view.verification.validated else "Stored result, not validated here"
        # Of a set width: browsers learn that of a text late, and all below would jump on a phone.
        st.caption(f"{kind}, generated {escape(snapshot.generated_at)}", width=300)
        st.download_button(
            "Download JSON",
            text,
            file_name=f"snapshot-{snapshot.snapshot_id}.json",
            mime="application/json",
            icon=":material/download:",
            on_click="ignore",
        )
    if before is not None:
        before()
    st.json(text, expanded=True)


def show_snapshot_usage(view: SnapshotView) -> None:
    """Draw what a snapshot's run used, and whether its values match."""
    if view.run is None:
        st.info("Another program made this snapshot. Its usage is unknown here.")
        return
    run_parts.show_usage(view.run, view.verification.matches or view.verification.text)


def show_report_button(view: SnapshotView, insights: Callable[[], InsightsView]) -> None:
    """Draw the download of the report.

    Args:
        view: The snapshot.
        insights: Reads what stands out in it, when the report is asked for.
    """
    st.download_button(
        "Download report",
        lambda: report.write_report(view, insights()).encode(),
        file_name=f"snapshot-{view.snapshot.snapshot_id}.html",
        mime="text/html",
        icon=":material/print:",
        on_click="ignore",
        help="One self-contained page. Open it, then print it or save it as PDF.",
    )
