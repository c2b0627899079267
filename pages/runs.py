"""Runs: found by filters in the URL, and one of them under the lens."""

import streamlit as st

from secondlook.dashboard import resources, session
from secondlook.dashboard.parts import body
from secondlook.dashboard.runs import inspector, listing


def draw() -> None:
    """The page's own part."""
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
