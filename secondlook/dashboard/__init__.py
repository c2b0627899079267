"""The Streamlit dashboard: the only package that knows Streamlit, with pages/ and app.py.

`main` runs for every page: `navigation` finds the pages, `session` says who is asking, and `notifications`
says what has finished. `resources` holds the process's runner, and `lifespan` starts and ends it. A page's
own drawing is in the module or package of its name, and `parts` has what several pages share.
"""

from pathlib import Path

PAGES = Path(__file__).resolve().parents[2] / "pages"
