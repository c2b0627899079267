"""Figures and facts side by side, and the day that a filter asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Literal

import streamlit as st

from secondlook.dashboard.parts import arrow
from secondlook.dashboard.parts.problems import escape

METRIC_PIXELS = 148
"""The width of a figure: two fit side by side on a phone, six on a screen."""


def show_metrics(figures: Mapping[str, str], *, width: int | Literal["content"] = "content") -> None:
    """Draw figures with their names, side by side.

    Args:
        figures: Values by their names.
        width: In pixels, to align several lines of figures; longer ones are cut off.
    """
    with st.container(horizontal=True, gap="small" if isinstance(width, int) else "medium"):
        for label, value in figures.items():
            st.metric(label, escape(value), width=width)


def show_facts(facts: Mapping[str, str]) -> None:
    """Draw names and values as a table without a header."""
    st.table(  # pyright: ignore[reportUnknownMemberType] -- pyarrow has no types
        arrow.of_columns(
            {"": [escape(name) for name in facts], " ": [escape(value) for value in facts.values()]}
        ),
        hide_index=True,
        hide_header=True,
        border="horizontal",
    )


def ask_day(label: str, name: str, key: str, changed: Callable[[str], None], *, width: int) -> None:
    """Draw the choice of a day in UTC, or of none.

    Args:
        label: What the day is.
        name: The argument of `changed`.
        key: Where the session's state holds the choice.
        changed: Called when somebody chooses another day.
        width: In pixels.
    """
    st.date_input(
        f"{label}, UTC",
        value=None,
        min_value=date(1970, 1, 1),
        max_value=date(9999, 12, 31),
        format="YYYY-MM-DD",
        key=key,
        on_change=changed,
        args=(name,),
        width=width,
    )
