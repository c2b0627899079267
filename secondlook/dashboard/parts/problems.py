"""Errors on a page: a message and what to do, never a traceback."""

from __future__ import annotations

import re

import streamlit as st

from secondlook.domain.untrusted_text import one_line
from secondlook.errors import SecondlookError
from secondlook.telemetry.log import log_failed

_CHANGED = re.compile(
    r":(?=[/a-z]|[\w+-]+:)|www(?=\.)|@"  # links, addresses, icons and emoji
    r"|-(?=[->])|<(?=[-=])|[>~](?==)",  # arrows, dashes and signs
    re.IGNORECASE,
)
"""Where Streamlit makes something else of plain text."""

_NOTHING = ":small{}"
"""An element without text: what it parts is shown letter by letter, and copied without it."""

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>~:$&@^=\"'])")


def escape(text: str, limit: int = 300) -> str:
    """Return untrusted text for a place that takes Markdown: shown letter by letter, in one line."""
    text = _CHANGED.sub("\\g<0>\0", one_line(text, limit))  # a null character is not left in it
    return _MARKDOWN.sub(lambda mark: f"&#{ord(mark[0])};", text).replace("\0", _NOTHING)


def show_error(error: SecondlookError) -> None:
    """Draw an error's message, and under it what to do."""
    hint = f"\n\n{escape(error.hint)}" if error.hint else ""
    st.error(f"**{escape(error.message)}**{hint}", icon=":material/error:")


def hide_script_error(error: Exception) -> bool:
    """Handle what a page did not expect: log its kind alone, and draw what to do."""
    log_failed("page", type(error).__name__)
    if isinstance(error, SecondlookError):
        show_error(error)
    else:
        st.error("This page could not be drawn. Nothing was lost. Reload it, or run `secondlook check`.")
    return True
