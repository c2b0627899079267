"""The main job: choose a source, see its buckets, generate its snapshot, read it next to its usage."""

import streamlit as st

from secondlook.dashboard import body, listing, panels, resources, runs, session
from secondlook.errors import SourceNotFound
from secondlook.preview import preview
from secondlook.validation.identifiers import canonical


def draw() -> None:
    """The page's own part."""
    access = session.require_access()
    wiring = resources.wiring()
    store = wiring.store(access)

    st.title("Sources", anchor=False)
    listing.show_sources(store, access.user_id)
    chosen = st.query_params.get("source")
    if chosen is None:
        return
    source_id = canonical(chosen)
    record = store.load(source_id, access.user_id, with_snapshot=True)
    if record is None:
        raise SourceNotFound
    view = preview(record, max_tokens=wiring.settings.max_tokens, regenerate=True)
    snapshot = panels.read_snapshot(record)
    run = wiring.ledger.latest(access.user_id, source_id)
    panels.show_source(view, snapshot)
    runs.show_generate(view, run)
    runs.show_result(view, run, snapshot)
    panels.show_buckets(view)


body.show_body(draw)
