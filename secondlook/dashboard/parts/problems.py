"""Errors on a page: a message and what to do, never a traceback."""

from __future__ import annotations

import re

import streamlit as st

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
    """Foreign text for a place that takes Markdown: one line, letter by letter, not too long."""
    text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    text = _CHANGED.sub("\\g<0>\0", text)
    return _MARKDOWN.sub(lambda mark: f"&#{ord(mark[0])};", text).replace("\0", _NOTHING)


def visible(text: str, limit: int) -> str:
    """A foreign text for a place that takes lines of plain text: what has no shape is written as its number.

    Args:
        text: The text; it may be long, and only its beginning is looked at.
        limit: Characters of it that are shown.
    """
    return "".join(
        c if c.isprintable() or c in "\n\t" else f"\\u{{{ord(c):x}}}"
        for c in text[:limit].replace("\r\n", "\n")
    )


def show_error(error: SecondlookError) -> None:
    """An error's message, and under it what to do."""
    hint = f"\n\n{escape(error.hint)}" if error.hint else ""
    st.error(f"**{escape(error.message)}**{hint}", icon=":material/error:")


def hide_script_error(error: Exception) -> bool:
    """Streamlit's handler of what a page did not expect: log its kind alone, show a way out."""
    log_failed("page", type(error).__name__)
    if isinstance(error, SecondlookError):
        show_error(error)
    else:
        st.error(
            "Something went wrong on this page. Nothing was lost: reload it, and see `secondlook check`."
        )
    return True
