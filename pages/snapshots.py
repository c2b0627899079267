"""Snapshots: the history, one of them by its permalink, two of them side by side."""

import streamlit as st

from secondlook.dashboard import body, comparison, resources, session, snapshots


def draw() -> None:
    """The page's own part."""
    access = session.require_access()
    wiring = resources.wiring()

    st.title("Snapshots", anchor=False)
    pair = st.query_params.get("compare")
    snapshot_id = st.query_params.get("snapshot")
    if pair is not None:
        comparison.show_comparison(wiring, access, pair)
    elif snapshot_id is not None:
        snapshots.show_one(wiring, access, snapshot_id)
    else:
        snapshots.show_history(wiring, access)


body.show_body(draw)
