"""Weeks and bands as charts, each with a text alternative and its numbers as a table."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from secondlook.dashboard.parts import arrow, charts
from secondlook.dashboard.parts.arrow import Cell, Table
from secondlook.dashboard.parts.problems import escape
from secondlook.domain.buckets import DecisionLatency, Demand


def show_charts(demand: Demand, latency: DecisionLatency) -> None:
    """Draw the three charts."""
    with st.container(border=True):
        st.markdown("**Weekly volume**")
        rows = charts.weekly_rows(demand.weekly_volume)
        st.vega_lite_chart(  # pyright: ignore[reportUnknownMemberType] -- pyarrow has no types
            rows, charts.WEEKLY, width="stretch", alt=charts.describe_weeks(demand.weekly_volume)
        )
        _show_numbers("weeks", lambda: rows)
    for column, (name, bands) in zip(
        st.columns(2, border=True),
        {"Price bands": demand.price_distribution, "Decision latency": latency.distribution}.items(),
        strict=True,
    ):
        with column:
            st.markdown(f"**{name}**")
            banded = charts.band_rows(bands)
            st.vega_lite_chart(banded, charts.BANDS, width="stretch", alt=charts.describe_bands(name, bands))  # pyright: ignore[reportUnknownMemberType] -- pyarrow has no types
            _show_numbers(name, lambda banded=banded: _shares(banded))


def _shares(banded: Table) -> Table:
    columns = banded.to_pydict()
    shares = [f"{part:.1%}" for part in columns["share"]]
    return arrow.of_columns({"band": columns["band"], "count": columns["count"], "share": shares})


def _show_numbers(key: str, numbers: Callable[[], Table]) -> None:
    panel = st.expander("Numbers", type="compact", key=f"numbers-{key}", on_change="rerun")
    if panel.open:
        columns = numbers().to_pydict()
        shown = arrow.of_columns({name: [_cell(each) for each in values] for name, values in columns.items()})
        panel.table(shown, hide_index=True, border="horizontal")  # pyright: ignore[reportUnknownMemberType] -- pyarrow has no types


def _cell(value: Cell) -> Cell:
    return escape(value) if isinstance(value, str) else value  # a table takes Markdown
