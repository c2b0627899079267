"""Many snapshots at once: what a batch would be, how it goes on, what is in doubt, and what may be spent."""

import streamlit as st

from secondlook.dashboard import batches, body, budgets, doubts, resources, session


def draw() -> None:
    """The page's own part."""
    access = session.require_access()
    wiring = resources.wiring()

    st.title("Batch", anchor=False)
    batches.show_beginning(wiring, access)
    batches.show_batches(wiring, access)
    doubts.show_doubts(wiring, access)
    doubts.show_failed(wiring, access)
    budgets.show_budgets(wiring, access)


body.show_body(draw)
