"""The main job: choose a source, see its buckets, generate its snapshot, read it with its usage."""

import streamlit as st

from secondlook.dashboard import resources, session
from secondlook.dashboard.parts import body, links
from secondlook.dashboard.sources import deletion, generate, header, listing
from secondlook.domain.identifiers import canonical
from secondlook.errors import SourceNotFound
from secondlook.pipeline.preview import preview

POSITION = 10
ICON = ":material/table_rows:"


def draw() -> None:
    """Draw the body of the page."""
    access = session.require_access()
    services = resources.services()
    store = services.store(access)

    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.title("Sources", anchor=False, width="content")
        links.show_import_link()
    deletion.show_deleted()
    listing.show_sources(store, access.user_id)
    chosen = st.query_params.get("source")
    if chosen is None:
        return
    source_id = canonical(chosen)
    record = store.load(source_id, access.user_id, with_snapshot=True)
    if record is None:
        raise SourceNotFound
    view = preview(record, max_tokens=services.settings.max_tokens, regenerate=True)
    snapshot = header.read_snapshot(record)
    run = services.ledger.latest(access.user_id, source_id)
    header.show_source(view, snapshot, run)
    marked = header.show_insights(view, snapshot, store)
    generate.show_generate(view, run)
    generate.show_result(view, run, snapshot)
    header.show_buckets(view, marked)
    deletion.show_deletion(view.source)


body.show_body(draw)
