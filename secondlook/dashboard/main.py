"""Page config and navigation: the script that every page runs through."""

from pathlib import Path

import streamlit as st

from secondlook.dashboard import PAGES, notifications, resources, session
from secondlook.dashboard.parts import agent, budgets, problems
from secondlook.errors import SecondlookError

ICON = Path(__file__).with_name("icon.svg")  # a named icon would be fetched from another site

st.set_page_config(page_title="2ndlook snapshots", page_icon=str(ICON), layout="wide")
st.logo(str(ICON.with_name("logo.svg")), size="large")
page = st.navigation(
    [
        st.Page(PAGES / "sources.py", title="Sources", icon=":material/table_rows:", default=True),
        st.Page(PAGES / "import.py", title="Import", icon=":material/upload_file:"),
        st.Page(PAGES / "snapshots.py", title="Snapshots", icon=":material/photo_camera:"),
        st.Page(PAGES / "runs.py", title="Runs", icon=":material/search:"),
        st.Page(PAGES / "usage.py", title="Usage", icon=":material/bar_chart:"),
        st.Page(PAGES / "batch.py", title="Batch", icon=":material/dynamic_feed:"),
        st.Page(PAGES / "rehearsal.py", title="Rehearsal", icon=":material/theater_comedy:"),
    ]
)
try:
    services = resources.services()
    session.show_identity()
    off = services.budgets.switched_off()
    budgets.show_switched_off(off)
    agent.show_agent(services)
    access = session.require_access()
    resources.runner().admit(access)
    notifications.show_notifications(services, access, off)
    page.run()
except SecondlookError as error:
    problems.show_error(error)
