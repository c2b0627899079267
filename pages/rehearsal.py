"""Rehearsals: tell the offline agent how to misbehave, see what becomes of it and what it leaves behind."""

import streamlit as st

from secondlook.dashboard import body, rehearsal, resources, session


def draw() -> None:
    """The page's own part."""
    access = session.require_access()
    wiring = resources.wiring()

    st.title("Rehearsal", anchor=False)
    rehearsal.show_rehearsal(wiring, access)


body.show_body(draw)
