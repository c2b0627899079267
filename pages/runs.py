"""Runs: found by filters in the URL, and one of them under the lens."""

import streamlit as st

from secondlook.dashboard import body, resources, run_detail, run_list, session


def draw() -> None:
    """The page's own part."""
    access = session.require_access()
    wiring = resources.wiring()

    st.title("Runs", anchor=False)
    wanted = run_list.wanted_runs(wiring)
    run_id = st.query_params.get(run_list.OPEN)
    if run_id is None:
        run_list.show_runs(wiring, access, wanted)
    else:
        run_detail.show_run(wiring, access, run_id, wanted)


body.show_body(draw)
