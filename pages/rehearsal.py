"""Rehearsals: tell the offline agent how to misbehave, see what becomes of it and what it leaves behind."""

import streamlit as st

from secondlook.dashboard import rehearsal, resources, session

access = session.require_access()
wiring = resources.wiring()

st.title("Rehearsal")
rehearsal.show_rehearsal(wiring, access)
