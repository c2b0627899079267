"""Many snapshots at once: what a batch would be, how it goes on, what is in doubt, and what may be spent."""

import streamlit as st

from secondlook.dashboard import resources, session
from secondlook.dashboard.batch import batches, unknown_outcomes
from secondlook.dashboard.parts import body, budgets


def draw() -> None:
    """The page's own part."""
    access = session.require_access()
    services = resources.services()

    st.title("Batch", anchor=False)
    batches.show_beginning(services, access)
    batches.show_batches(services, access)
    unknown_outcomes.show_unknown_outcomes(services, access)
    unknown_outcomes.show_failed(services, access)
    budgets.show_budgets(services, access)


body.show_body(draw)
