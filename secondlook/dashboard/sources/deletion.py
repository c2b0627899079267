"""Deletes the source that is open, behind a confirmation."""

from __future__ import annotations

import streamlit as st

from secondlook.dashboard import resources, session
from secondlook.dashboard.parts import body
from secondlook.dashboard.parts.problems import escape, show_error
from secondlook.dashboard.sources import listing
from secondlook.domain.sources import Source
from secondlook.errors import SecondlookError
from secondlook.pipeline.deletion import delete_source

_REFUSED = "deletion-refused"
_DELETED = "deletion-done"


def show_deleted() -> None:
    """Tell what was deleted a moment ago."""
    name: str | None = st.session_state.pop(_DELETED, None)
    if name is not None:
        st.toast(f"Deleted: {escape(name, limit=80)}", icon=":material/delete:")


def show_deletion(source: Source) -> None:
    """Draw the way to delete a source, and why it was not deleted."""
    refused: tuple[str, SecondlookError] | None = st.session_state.pop(_REFUSED, None)
    if refused is not None and refused[0] == source.source_id:
        show_error(refused[1])
    with st.expander("Delete source", icon=":material/delete:", type="compact"):
        st.markdown(
            f"This deletes **{escape(source.shown_name, limit=80)}** for good, with its estimates, buckets "
            "and snapshots."
        )
        erase = f"erase-{source.source_id}"
        st.checkbox(
            "Also erase what was sent and answered in its runs",
            key=erase,
            help="Inputs, requests and answers in the ledger. Their figures stay.",
        )
        st.button("Delete for good", icon=":material/delete_forever:", on_click=_delete, args=(source, erase))


def _delete(source: Source, erase: str) -> None:
    services = resources.services()
    access = session.require_access()
    try:
        delete_source(
            services.estimates(access),
            services.ledger,
            services.pruning,
            source.source_id,
            access.user_id,
            erase_runs=bool(st.session_state.get(erase)),
        )
    except SecondlookError as error:
        st.session_state[_REFUSED] = source.source_id, error
        return
    st.query_params.pop("source", None)
    st.session_state[_DELETED] = source.shown_name
    listing.recount()
    body.draw_whole()
