"""Data → chart specs and their text alternatives. Built once, at import; no Streamlit calls.

A spec has no data of its own: the page sends the rows. Colours come from the theme.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import altair as alt

from secondlook.dashboard.parts import arrow
from secondlook.dashboard.parts.arrow import Table
from secondlook.domain.buckets import BandCount, WeekCount
from secondlook.views.comparison import BandChange, WeekChange
from secondlook.views.drawing import covered
from secondlook.views.figures import largest, share

_HEIGHT_WEEKS = 220
_BAND_STEP = 44
_PAIRED_STEP = 18
FADED = "faded"
"""The column that says which bars are not what the chosen fact is about."""

FIRST, SECOND = "First", "Second"
"""The names of two compared snapshots, which have the same colors in each chart."""

LEGEND = alt.Legend(orient="top", labelLimit=0, offset=6, padding=0)
_PADDING = {"left": 2, "right": 2, "top": 6, "bottom": 2}
"""Streamlit leaves more room below a chart: its frame is its edge."""

_OPACITY = alt.when(f"datum.{FADED}").then(alt.value(0.3)).otherwise(alt.value(1))
_PAIR = alt.Scale(domain=[FIRST, SECOND])
_PAIRED_COLOR = alt.Color("snapshot:N", title=None, scale=_PAIR, legend=LEGEND)


def _weekly_spec() -> dict[str, Any]:
    bars = alt.Chart(alt.NamedData("rows"), height=_HEIGHT_WEEKS).mark_bar()
    return without_data(
        bars.encode(
            x=alt.X("week:O", title=None, sort=None, axis=alt.Axis(labelAngle=0, labelOverlap="greedy")),
            y=alt.Y("count:Q", title="Estimates", axis=alt.Axis(tickMinStep=1, format="d")),
            opacity=_OPACITY,
            tooltip=[alt.Tooltip("week:N", title="Week"), alt.Tooltip("count:Q", title="Estimates")],
        )
    )


def _band_spec() -> dict[str, Any]:
    # Count and share are part of the axis label: a text mark would not follow the theme's colour.
    bars = alt.Chart(alt.NamedData("rows"), height=alt.Step(_BAND_STEP)).mark_bar()
    return without_data(
        bars.encode(
            x=alt.X("count:Q", title="Estimates", axis=alt.Axis(tickMinStep=1, tickCount=6, format="d")),
            y=alt.Y("label:N", title=None, sort=None, axis=alt.Axis(labelLimit=200)),
            opacity=_OPACITY,
            tooltip=[
                alt.Tooltip("band:N", title="Band"),
                alt.Tooltip("count:Q", title="Estimates"),
                alt.Tooltip("share:Q", title="Share", format=".1%"),
            ],
        )
    )


def _paired_weeks_spec() -> dict[str, Any]:
    bars = alt.Chart(alt.NamedData("rows"), height=_HEIGHT_WEEKS).mark_bar()
    return without_data(
        bars.encode(
            x=alt.X("week:O", title=None, sort=None, axis=alt.Axis(labelAngle=0, labelOverlap="greedy")),
            xOffset=alt.XOffset("snapshot:N", scale=_PAIR),
            y=alt.Y("count:Q", title="Estimates", axis=alt.Axis(tickMinStep=1, format="d")),
            color=_PAIRED_COLOR,
            tooltip=[
                alt.Tooltip("snapshot:N", title="Snapshot"),
                alt.Tooltip("week:N", title="Week"),
                alt.Tooltip("count:Q", title="Estimates"),
            ],
        )
    )


def _paired_bands_spec() -> dict[str, Any]:
    bars = alt.Chart(alt.NamedData("rows"), height=alt.Step(_PAIRED_STEP)).mark_bar()
    return without_data(
        bars.encode(
            x=alt.X("share:Q", title=None, axis=alt.Axis(format="%", tickCount=5)),
            y=alt.Y("band:N", title=None, sort=None, axis=alt.Axis(labelLimit=120)),
            yOffset=alt.YOffset("snapshot:N", scale=_PAIR),
            color=_PAIRED_COLOR,
            tooltip=[
                alt.Tooltip("snapshot:N", title="Snapshot"),
                alt.Tooltip("band:N", title="Band"),
                alt.Tooltip("count:Q", title="Estimates"),
                alt.Tooltip("share:Q", title="Share", format=".1%"),
            ],
        )
    )


def without_data(chart: alt.Chart) -> dict[str, Any]:
    """The spec of a chart whose rows the page sends."""
    spec = chart.to_dict()
    del spec["data"]
    return {**spec, "padding": _PADDING}


WEEKLY = _weekly_spec()
BANDS = _band_spec()
PAIRED_WEEKS = _paired_weeks_spec()
PAIRED_BANDS = _paired_bands_spec()


def weekly_rows(weeks: Sequence[WeekCount], marked: Collection[str] = ()) -> Table:
    """Columns week, count, faded: every covered week, those without estimates as 0.

    Args:
        weeks: The weeks.
        marked: The weeks to mark; the others fade. None fades where none is marked.
    """
    filled = covered(weeks)
    return arrow.of_columns(
        {
            "week": [week.week for week in filled],
            "count": [week.count for week in filled],
            FADED: [bool(marked) and week.week not in marked for week in filled],
        }
    )


def band_rows(bands: Sequence[BandCount], marked: Collection[str] = ()) -> Table:
    """Columns band, count, share (0 to 1 of the bands' sum), label, faded; in the order of the bands.

    Args:
        bands: The bands.
        marked: The bands to mark; the others fade. None fades where none is marked.
    """
    whole = sum(band.count for band in bands)
    shares = [share(band.count, whole) for band in bands]
    return arrow.of_columns(
        {
            "band": [band.band for band in bands],
            "count": [band.count for band in bands],
            "share": shares,
            "label": [
                f"{band.band}:  {band.count} ({part:.0%})" for band, part in zip(bands, shares, strict=True)
            ],
            FADED: [bool(marked) and band.band not in marked for band in bands],
        }
    )


def paired_weeks(weeks: Sequence[WeekChange]) -> Table:
    """Columns week, snapshot, count: a row for each snapshot that covers the week."""
    rows = [
        {"week": week.week, "snapshot": name, "count": count}
        for week in weeks
        for name, count in zip((FIRST, SECOND), (week.before, week.after), strict=True)
        if count is not None
    ]
    return arrow.of_rows(rows, ("week", "snapshot", "count"))


def paired_bands(bands: Sequence[BandChange]) -> Table:
    """Columns band, snapshot, count, share: a row for each band in each snapshot."""
    rows = [
        {"band": band.band, "snapshot": name, "count": count, "share": part}
        for band in bands
        for name, count, part in zip(
            (FIRST, SECOND), (band.before, band.after), (band.share_before, band.share_after), strict=True
        )
    ]
    return arrow.of_rows(rows, ("band", "snapshot", "count", "share"))


def describe_weeks(weeks: Sequence[WeekCount]) -> str:
    """The weekly chart in words."""
    if not weeks:
        return "Weekly volume: the buckets contain no week."
    total = sum(week.count for week in weeks)
    top = largest(weeks)
    most = f"{len(top)} weeks tie at {top[0].count}" if top else "no week has an estimate"
    if len(top) == 1:
        most = f"the busiest week is {top[0].week} with {top[0].count}"
    return f"Weekly volume from {weeks[0].week} to {weeks[-1].week}: {total} estimates; {most}."


def describe_bands(name: str, bands: Sequence[BandCount]) -> str:
    """A chart of bands in words."""
    whole = sum(band.count for band in bands)
    parts = ", ".join(f"{band.band}: {band.count} ({share(band.count, whole):.0%})" for band in bands)
    top = largest(bands)
    return f"{name}: {parts}." + (f" The largest is {top[0].band}." if len(top) == 1 else "")
