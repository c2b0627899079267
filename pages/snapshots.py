"""Snapshots: the history, one snapshot by its permalink, two side by side."""

import streamlit as st

from secondlook.dashboard import resources, session
from secondlook.dashboard.parts import body
from secondlook.dashboard.snapshots import comparison, history

POSITION = 20
ICON = ":material/photo_camera:"


def draw() -> None:
    """Draw the body of the page."""
    access = session.require_access()
    services = resources.services()

    st.title("Snapshots", anchor=False)
    pair = st.query_params.get("compare")
    snapshot_id = st.query_params.get("snapshot")
    if pair is not None:
        comparison.show_comparison(services, access, pair)
    elif snapshot_id is not None:
        history.show_one(services, access, snapshot_id)
    else:
        history.show_history(services, access)


body.show_body(draw)
