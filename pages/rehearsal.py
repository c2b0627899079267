"""Rehearsals: choose how the offline agent misbehaves, watch the run, see its result."""

import streamlit as st

from secondlook.dashboard import rehearsal, resources, session
from secondlook.dashboard.parts import body


def draw() -> None:
    """Draw the body of the page."""
    access = session.require_access()
    services = resources.services()

    st.title("Rehearsal", anchor=False)
    rehearsal.show_rehearsal(services, access)


body.show_body(draw)
