"""Rehearsals of the offline agent's misbehavior, and trials of a model."""

import streamlit as st

from secondlook.dashboard import rehearsal, resources, session, trial
from secondlook.dashboard.parts import body

POSITION = 60
ICON = ":material/theater_comedy:"


def draw() -> None:
    """Draw the body of the page."""
    access = session.require_access()
    services = resources.services()

    st.title("Rehearsal", anchor=False)
    rehearsal.show_rehearsal(services, access)
    trial.show_trial(services, access)


body.show_body(draw)
