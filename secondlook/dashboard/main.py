"""Page config and navigation: the script that every page runs through."""

from datetime import UTC, datetime
from pathlib import Path

import streamlit as st

from secondlook.agent.families import shutdown_notice
from secondlook.dashboard import panels, problems, resources, session
from secondlook.errors import SecondlookError

ICON = Path(__file__).with_name("icon.svg")  # a named icon would be fetched from another site
PAGES = Path(__file__).resolve().parents[2] / "pages"

st.set_page_config(page_title="2ndlook snapshots", page_icon=str(ICON), layout="wide")
page = st.navigation(
    [st.Page(PAGES / "sources.py", title="Sources", icon=":material/table_rows:", default=True)],
    position="hidden",
)
try:
    settings = resources.wiring().settings
    session.show_identity()
    panels.show_agent(resources.wiring(), shutdown_notice(settings.model, datetime.now(UTC).date()))
    page.run()
except SecondlookError as error:
    problems.show_error(error)
