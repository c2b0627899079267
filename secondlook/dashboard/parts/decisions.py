"""What a person can decide about a run: retry an unknown outcome, or cancel it."""

from __future__ import annotations

import streamlit as st

from secondlook.dashboard import resources, session
from secondlook.dashboard.parts import body
from secondlook.domain.runs import Run


def show_decisions(run: Run, of: str = "") -> None:
    """Draw the buttons for a run of unknown outcome; a retry asks first, since it may be billed twice.

    Args:
        run: The run.
        of: Ends the buttons' keys, where a page may draw other runs' buttons as well.
    """
    with st.container(horizontal=True, vertical_alignment="center"):
        sure = st.toggle("I accept that I may be charged twice", key=f"twice-{run.run_id}")
        key = f"retry{of}" if of else None
        st.button("Retry", disabled=not sure, key=key, on_click=_resend, args=(run.run_id,))
        show_cancel(run, of)


def show_cancel(run: Run, of: str = "") -> None:
    """Draw the button that cancels a run; `of` as in `show_decisions`."""
    st.button("Cancel run", key=f"cancel{of}" if of else None, on_click=cancel, args=(run.run_id,))


def _resend(run_id: str) -> None:
    resources.services().ledger.resend(run_id, session.require_access().user_id)
    resources.runner().start(run_id)
    body.draw_whole()


def cancel(run_id: str) -> None:
    """Cancel a run of the visitor's, and draw the whole page."""
    resources.services().ledger.cancel(run_id, session.require_access().user_id)
    body.draw_whole()
