"""Rehearsals: tell the offline agent how to misbehave, see what becomes of it and what it leaves behind."""

import streamlit as st

from secondlook.dashboard import rehearsal, resources, session
from secondlook.dashboard.parts import body


def draw() -> None:
    """The page's own part."""
    access = session.require_access()
    services = resources.services()

    st.title("Rehearsal", anchor=False)
    rehearsal.show_rehearsal(services, access)


body.show_body(draw)
