"""The Streamlit dashboard: the only package that knows Streamlit, with pages/ and app.py."""
