"""Usage: tokens, cost, calls and how long they took; what is left of the budgets."""

import streamlit as st

from secondlook.dashboard import resources, session, usage

access = session.require_access()

st.title("Usage")
usage.show_usage(resources.wiring(), access)
