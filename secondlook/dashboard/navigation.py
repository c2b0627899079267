"""The pages of the navigation: the files of pages/, each with its own icon and position."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from secondlook.dashboard import PAGES


def list_pages() -> list[StreamlitPage]:
    """The pages in the order of their `POSITION`; the first one is the start page."""
    return [
        st.Page(path, title=path.stem.capitalize(), icon=icon, default=index == 0)
        for index, (_, path, icon) in enumerate(_found())
    ]


@cache
def _found() -> list[tuple[int, Path, str]]:
    return sorted((_constant(path, "POSITION"), path, _constant(path, "ICON")) for path in PAGES.glob("*.py"))


def _constant(path: Path, name: str) -> Any:  # noqa: ANN401 -- a literal of any type
    """The value of a constant, without running the page: importing it would draw it."""
    for statement in ast.parse(path.read_text(encoding="utf-8")).body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=given)], value=value) if given == name:
                return ast.literal_eval(value)
            case _:
                pass
    raise LookupError(f"{path.name} has no {name}")
