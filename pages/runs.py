"""Runs: a list that the URL filters, and the details of one run."""

import streamlit as st

from secondlook.dashboard import resources, session
from secondlook.dashboard.parts import body
from secondlook.dashboard.runs import inspector, listing

POSITION = 30
ICON = ":material/search:"


def draw() -> None:
    """Draw the body of the page."""
    access = session.require_access()
    services = resources.services()

    st.title("Runs", anchor=False)
    wanted = listing.wanted_runs(services)
    run_id = st.query_params.get(listing.OPEN)
    if run_id is None:
        listing.show_runs(services, access, wanted)
    else:
        inspector.show_run(services, access, run_id, wanted)


body.show_body(draw)
