"""The front door: an ASGI app. `secondlook serve`, `uvicorn app:app` and `streamlit run app.py` serve it."""

import re
from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware

from secondlook.dashboard import PAGES, resources
from secondlook.dashboard.lifespan import lifespan
from secondlook.dashboard.parts.problems import hide_script_error
from secondlook.web.gate import Gate
from secondlook.web.routes import routes
from secondlook.web.static import StaticFiles

# The script lies away from pages/: a pages/ folder beside it would be served around its router.
SCRIPT = Path(__file__).resolve().parent / "secondlook" / "dashboard" / "main.py"

STATIC = Path(st.__file__).parent / "static"

# Streamlit's page holds one, which says that it is not ready yet.
PAGE = (STATIC / "index.html").read_text(encoding="utf-8")
INLINE_SCRIPTS = re.findall(r"<script>(.*?)</script>", PAGE, re.DOTALL)

app = st.App(
    SCRIPT,
    lifespan=lifespan,
    on_script_error=hide_script_error,
    routes=routes(resources.services, resources.runner),
    middleware=[
        Middleware(Gate, services=resources.services, inline_scripts=INLINE_SCRIPTS),
        Middleware(StaticFiles, folder=STATIC, pages=[page.stem for page in PAGES.glob("*.py")]),
    ],
)
