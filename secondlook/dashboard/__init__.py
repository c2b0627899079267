"""The Streamlit dashboard: the only package that knows Streamlit, with pages/ and app.py."""

from pathlib import Path

PAGES = Path(__file__).resolve().parents[2] / "pages"
