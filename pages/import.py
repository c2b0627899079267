"""Import: a file of estimates, every row accounted for, becomes a source."""

import streamlit as st

from secondlook.dashboard import resources, session
from secondlook.dashboard.importing import fates, file, store
from secondlook.dashboard.parts import body

POSITION = 15
ICON = ":material/upload_file:"


def draw() -> None:
    """Draw the body of the page."""
    access = session.require_access()
    services = resources.services()

    st.title("Import", anchor=False)
    store.show_stored(access)
    reading = file.show_file(services, access)
    if reading is None or (reading.questions and not reading.rows):
        return
    fates.show_fates(reading)
    store.show_store(services, access, reading)


body.show_body(draw)
