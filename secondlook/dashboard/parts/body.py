"""The body of a page: a press in it draws the body alone, not what all pages share around it."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from secondlook.dashboard.parts import links
from secondlook.dashboard.parts.problems import show_error
from secondlook.errors import NotSignedIn, SecondlookError

_WHOLE = "whole"


def show_body(draw: Callable[[], None]) -> None:
    """Draw the body of a page.

    Args:
        draw: Draws it; checks access first, since a press leads here directly.
    """
    st.session_state.pop(_WHOLE, None)  # it is being drawn
    st.fragment(_draw)(draw)


def draw_whole() -> None:
    """Draw the whole page after this press, because it changed what surrounds the body."""
    st.session_state[_WHOLE] = True


def _draw(draw: Callable[[], None]) -> None:
    if st.session_state.pop(_WHOLE, False):
        st.rerun()
    try:
        draw()
    except SecondlookError as error:
        show_error(error)
        if not isinstance(error, NotSignedIn) and st.query_params.to_dict().keys() - {"user"}:
            links.show_next_step("Back to the list", ":material/arrow_back:")
