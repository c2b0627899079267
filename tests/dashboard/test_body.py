"""A page's own part is drawn separately, and the whole page where a press has changed what is around it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from tests.processes import ROOT

PAGES = sorted((ROOT / "pages").glob("*.py"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_each_page_asks_by_what_right(page: Path) -> None:
    """First, and each time that its part is drawn: a press leads there without the router."""
    text = page.read_text()
    drawn = re.search(r'def draw\(\) -> None:\n    """.*?"""\n    (.*)\n', text)
    assert drawn is not None
    assert "session.require_access()" in drawn[1]
    assert text.rstrip().endswith("body.show_body(draw)")


def script() -> None:
    """A page whose own part refuses, and one that changes what is around it."""
    import streamlit as st

    from secondlook.dashboard.parts import body
    from secondlook.errors import SourceNotFound

    st.session_state["times"] = st.session_state.get("times", 0) + 1
    st.caption(f"whole: {st.session_state['times']}")

    def draw() -> None:
        st.button("Change", on_click=body.draw_whole)
        raise SourceNotFound

    body.show_body(draw)


def test_a_refusal_is_said_in_its_place() -> None:
    """As on a whole page; and being drawn whole is over when it is done."""
    page = AppTest.from_function(script, default_timeout=30).run()
    assert len(page.error) == 1
    assert "Invalid source&#95;id" in page.error[0].value
    page.button[0].click().run()
    assert [caption.value for caption in page.caption] == ["whole: 2"]
    assert "whole" not in page.session_state
    assert not page.exception
