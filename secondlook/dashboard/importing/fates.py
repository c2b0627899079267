"""What becomes of each row, and the buckets that the file makes."""

from __future__ import annotations

from datetime import UTC, datetime

import streamlit as st

from secondlook.dashboard.parts import arrow, buckets, figures, insights
from secondlook.dashboard.parts.problems import show_error
from secondlook.domain.bucket_rules import MIN_ESTIMATES, build_input, read_buckets
from secondlook.errors import SecondlookError
from secondlook.importing.estimates import Reading
from secondlook.tasks.insights.facts import facts_of
from secondlook.views.export import to_csv_file

_REFUSED = ("line", "column", "reason", "value")


def show_fates(reading: Reading) -> None:
    """Draw the counts of all rows, the refused ones, and of those taken the buckets with what stands out."""
    st.header("What becomes of each row", anchor=False)
    figures.show_metrics(
        {
            "Rows": f"{reading.rows:,}",
            "Taken": f"{reading.taken:,}",
            "Left out": f"{sum(reading.left_out.values()):,}",
            "Refused": f"{reading.refused_count:,}",
            "Repeated": f"{reading.repeated:,}",
        },
        width=figures.METRIC_PIXELS,
    )
    reasons = {f"{row.column}: {row.reason}": row.alike for row in reading.refused}
    fates = [
        *(("left out", why, count) for why, count in reading.left_out.items()),
        *(("refused", why, count) for why, count in reasons.items()),
    ]
    if reading.repeated:
        fates.append(("repeated", "a later row has the same number", reading.repeated))
    if fates:
        st.dataframe(  # pyright: ignore[reportUnknownMemberType] -- pyarrow has no types
            _table(fates), hide_index=True, alt="Rows that are not taken, by reason"
        )
    if reading.refused:
        st.download_button(
            "Download refused rows",
            lambda: _refused_csv(reading),
            file_name="refused-rows.csv",
            mime="text/csv",
            icon=":material/download:",
            on_click="ignore",
        )
    if reading.sources:
        _show_buckets(reading)


def _show_buckets(reading: Reading) -> None:
    st.header("Buckets", anchor=False)
    made = reading.sources[0]
    try:
        checked = read_buckets(made.buckets.row(), today=datetime.now(UTC).date())
    except SecondlookError as error:
        show_error(error)
        return
    agent_input = build_input(checked, made.count)
    marked = insights.show_insights(facts_of(agent_input), "import")
    buckets.show_charts(agent_input.demand, agent_input.decision_latency, marked)
    if made.count < MIN_ESTIMATES:
        st.warning(
            f"A snapshot needs {MIN_ESTIMATES} estimates, and this file has {made.count}.",
            icon=":material/warning:",
        )


def _table(fates: list[tuple[str, str, int]]) -> arrow.Table:
    names = ("Result", "Reason", "Rows")
    return arrow.of_columns({name: [fate[index] for fate in fates] for index, name in enumerate(names)})


def _refused_csv(reading: Reading) -> bytes:
    rows = [{name: getattr(row, name) for name in _REFUSED} for row in reading.refused]
    return to_csv_file(_REFUSED, rows)
