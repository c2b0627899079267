"""Many snapshots at once: preview, progress, unknown outcomes, and budgets."""

import streamlit as st

from secondlook.dashboard import resources, session
from secondlook.dashboard.batch import batches, start, unknown_outcomes
from secondlook.dashboard.parts import body, budgets

POSITION = 50
ICON = ":material/dynamic_feed:"


def draw() -> None:
    """Draw the body of the page."""
    access = session.require_access()
    services = resources.services()

    st.title("Batch", anchor=False)
    start.show_start(services, access)
    batches.show_batches(services, access)
    unknown_outcomes.show_unknown_outcomes(services, access)
    unknown_outcomes.show_failed(services, access)
    budgets.show_budgets(services, access)


body.show_body(draw)
