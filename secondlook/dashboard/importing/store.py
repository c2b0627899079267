"""The name, the one button that stores a file, and what it came to."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from secondlook.dashboard import session
from secondlook.dashboard.importing.file import UPLOADS, name_of
from secondlook.dashboard.parts import links
from secondlook.dashboard.parts.problems import escape, show_error
from secondlook.dashboard.sources import listing
from secondlook.domain.access import Access
from secondlook.domain.untrusted_text import clean
from secondlook.errors import SecondlookError
from secondlook.importing.estimates import Reading
from secondlook.services import Services
from secondlook.stores.estimates import StoredSource

_STORED = "stored-source"
_MOST_NAME = 120


def show_stored(access: Access) -> None:
    """Draw what the person's last import on this page came to."""
    kept: tuple[str, StoredSource] | None = st.session_state.get(_STORED)
    if kept is None or kept[0] != access.user_id:
        return
    stored = kept[1]
    name = escape(stored.source_name, limit=_MOST_NAME)
    if stored.change == "unchanged":
        st.info(f"Nothing has changed: {name} has all of these estimates already.", icon=":material/check:")
    else:
        done = "Imported" if stored.change == "new" else "Updated"
        st.success(
            f"{done}: {name} has {stored.estimate_count:,} estimates ({stored.added:,} added, "
            f"{stored.changed:,} changed).",
            icon=":material/check:",
        )
    links.show_source_link(stored.source_id, "Open the source")


def show_store(services: Services, access: Access, reading: Reading) -> None:
    """Draw the name, what storing would do, and the button."""
    st.header("Store", anchor=False)
    given = st.text_input("Name of the source", value=name_of(reading), max_chars=_MOST_NAME)
    name = clean((given or "").strip())
    found = services.estimates(access).find(name, access.user_id) if name else None
    if found is not None:
        st.info(
            "A source of this name was imported before. It is updated: estimates by their number, then its "
            "buckets. Its snapshots stay.",
            icon=":material/sync:",
        )
    refused = reading.refused_count
    skips = not refused or st.checkbox(f"Import without the {refused:,} refused rows")
    verb = "Import" if found is None else "Update with"
    pressed = st.button(
        f"{verb} {reading.taken:,} estimates",
        type="primary",
        icon=":material/upload:",
        disabled=not (name and skips and reading.sources) or bool(reading.questions),
    )
    if pressed:
        _store(services, reading, name)


def _store(services: Services, reading: Reading, name: str) -> None:
    access = session.require_access()
    progress = st.progress(0.0, "Storing the estimates. Leaving the page now stores nothing.")

    def tell(rows: int) -> None:
        progress.progress(min(1.0, rows / reading.taken), f"{rows:,} of {reading.taken:,} estimates")

    try:
        (stored,) = services.estimates(access).put(
            [replace(reading.sources[0], name=name)], access.user_id, progress=tell
        )
    except SecondlookError as error:
        progress.empty()
        show_error(error)
        return
    st.session_state[_STORED] = access.user_id, stored
    st.session_state[UPLOADS] = st.session_state.get(UPLOADS, 0) + 1
    listing.recount()
    st.rerun()
