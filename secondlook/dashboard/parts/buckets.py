"""Weeks and bands as charts, each with a text alternative and its numbers as a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from secondlook.dashboard.parts import arrow, charts
from secondlook.dashboard.parts.arrow import Cell, Table
from secondlook.dashboard.parts.problems import escape
from secondlook.domain.buckets import DecisionLatency, Demand, WeekCount
from secondlook.tasks.insights.fact import LATENCY_PATH, PRICE_PATH, WEEKS_PATH, count_path


def show_charts(demand: Demand, latency: DecisionLatency, marked: frozenset[str] = frozenset()) -> None:
    """Draw the three charts.

    Args:
        demand: The weeks and the price bands.
        latency: The latency bands.
        marked: Paths of counts to mark, as facts name them.
    """
    with st.container(border=True):
        st.markdown("**Weekly volume**")
        rows = charts.weekly_rows(demand.weekly_volume, _marked_weeks(demand.weekly_volume, marked))
        st.vega_lite_chart(  # pyright: ignore[reportUnknownMemberType] -- pyarrow has no types
            rows, charts.WEEKLY, width="stretch", alt=charts.describe_weeks(demand.weekly_volume)
        )
        _show_numbers("weeks", lambda: rows.drop_columns([charts.FADED]))
    for column, (name, path, bands) in zip(
        st.columns(2, border=True),
        (
            ("Price bands", PRICE_PATH, demand.price_distribution),
            ("Decision latency", LATENCY_PATH, latency.distribution),
        ),
        strict=True,
    ):
        with column:
            st.markdown(f"**{name}**")
            chosen = {band.band for index, band in enumerate(bands) if count_path(path, index) in marked}
            banded = charts.band_rows(bands, chosen)
            st.vega_lite_chart(banded, charts.BANDS, width="stretch", alt=charts.describe_bands(name, bands))  # pyright: ignore[reportUnknownMemberType] -- pyarrow has no types
            _show_numbers(name, lambda banded=banded: _shares(banded))


def _marked_weeks(weeks: Sequence[WeekCount], marked: frozenset[str]) -> set[str]:
    return {week.week for index, week in enumerate(weeks) if count_path(WEEKS_PATH, index) in marked}


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
