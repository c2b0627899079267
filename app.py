"""The front door: an ASGI app. `secondlook serve`, `uvicorn app:app` and `streamlit run app.py` serve it."""

from pathlib import Path

import streamlit as st

from secondlook.dashboard.lifespan import lifespan
from secondlook.dashboard.problems import hide_script_error

# The script lies away from pages/: a pages/ folder beside it would be served around its router.
SCRIPT = Path(__file__).resolve().parent / "secondlook" / "dashboard" / "main.py"

app = st.App(SCRIPT, lifespan=lifespan, on_script_error=hide_script_error)
