"""Usage: tokens, cost, calls and durations; what is left of the budgets."""

import streamlit as st

from secondlook.dashboard import resources, session, usage
from secondlook.dashboard.parts import body

POSITION = 40
ICON = ":material/bar_chart:"


def draw() -> None:
    """Draw the body of the page."""
    access = session.require_access()

    st.title("Usage", anchor=False)
    usage.show_usage(resources.services(), access)


body.show_body(draw)
