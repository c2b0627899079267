"""Pieces that several pages draw: who answers, the source, its buckets, its snapshot, a day to choose."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Literal

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from secondlook.dashboard.parts import charts, tables
from secondlook.dashboard.parts.problems import escape, show_error
from secondlook.dashboard.parts.tables import Cell, Table
from secondlook.domain import stored_snapshots
from secondlook.domain.buckets import DecisionLatency, Demand
from secondlook.domain.runs import Run
from secondlook.domain.snapshots import Snapshot
from secondlook.domain.sources import SourceRecord
from secondlook.domain.usage import Usage
from secondlook.errors import SecondlookError, SourceNotFound, StoreUnavailable
from secondlook.ledger.runs import Ledger
from secondlook.pipeline.outcome import total_ms
from secondlook.pipeline.preview import Preview, changed_since
from secondlook.providers import prices
from secondlook.services import Services
from secondlook.tasks.snapshot.prompt import estimate_usage
from secondlook.views import report
from secondlook.views.figures import busiest, largest, money

_RESULT_PIXELS = 560
_METRIC_PIXELS = 148  # two beside each other on a phone, six on a screen


def show_agent(services: Services, notice: str | None) -> None:
    """Who answers, in the sidebar; and that a model is about to end."""
    settings = services.settings
    with st.sidebar:
        try:
            name = services.agent_name()
        except SecondlookError as error:
            st.error(f"**{escape(error.message)}**", icon=":material/key_off:")
        else:
            if name == "offline":
                st.badge("Offline agent", icon=":material/cloud_off:", color="orange")
                st.caption("Nothing is sent and nothing is paid; token counts are estimates.")
            else:
                st.badge("OpenAI", icon=":material/cloud:", color="green")
        st.caption(f"Model: {escape(settings.model)}")
        if notice is not None:
            st.markdown(f":small[:orange[:material/schedule: {escape(notice)}]]")


def show_source(view: Preview, snapshot: Snapshot | None, run: Run | None = None) -> None:
    """The source's name, what is known of it at a glance, and what is odd about its buckets."""
    st.header(escape(view.source.shown_name, limit=120), divider="gray", anchor=False)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge(escape(view.source.source_type, limit=40), color="gray")
        st.badge(escape(view.source.status.replace("_", " "), limit=40), color="gray")
        if run is not None and not run.status.final and run.agent_input != view.agent_input:
            st.badge("buckets changed since this run began", icon=":material/sync_problem:", color="orange")
        elif snapshot is not None and changed_since(snapshot.result, view.agent_input):
            st.badge("buckets changed since this snapshot", icon=":material/sync_problem:", color="orange")
        elif snapshot is not None:
            st.badge("up to date: the same buckets as its snapshot", icon=":material/check:", color="green")
    if view.agent_input is None:
        return
    weeks = view.agent_input.demand.weekly_volume
    top = busiest(weeks)
    figures = {
        "Estimates": f"{view.agent_input.estimate_count:,}",
        "Confidence": view.agent_input.confidence_level,
        "Weeks with estimates": str(sum(week.count > 0 for week in weeks)),
        "Busiest week": f"{top.week} ({top.count})" if top else "none",
        "Largest price band": largest(view.agent_input.demand.price_distribution).band,
        "Largest latency band": largest(view.agent_input.decision_latency.distribution).band,
    }
    show_metrics(figures, width=_METRIC_PIXELS)
    for warning in view.warnings:
        st.warning(escape(warning), icon=":material/warning:")


def show_agent_input(view: Preview, model: str) -> None:
    """Exactly what the agent would see, and about what it costs, before anything is sent."""
    if view.agent_input is None:
        return
    usage = estimate_usage(view.agent_input)
    cost = money(prices.cost_usd(usage, model), estimated=True)
    label = f"What the agent will see: about {usage.total_tokens:,} tokens, {escape(cost)}"
    panel = st.expander(label, icon=":material/visibility:", key="agent-input", on_change="rerun")
    if panel.open:
        with panel:
            st.caption("This object and the instructions, nothing else. Tokens and cost are estimates.")
            st.json(view.agent_input.model_dump(mode="json"), expanded=2)


def show_buckets(view: Preview) -> None:
    """The three charts, each with its text alternative and its numbers as a table."""
    if view.agent_input is None:
        return
    st.subheader("Buckets", anchor=False)
    show_charts(view.agent_input.demand, view.agent_input.decision_latency)


def show_charts(demand: Demand, latency: DecisionLatency) -> None:
    """Weeks and bands as charts, each with its text alternative and its numbers as a table."""
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
    return tables.of_columns({"band": columns["band"], "count": columns["count"], "share": shares})


def _show_numbers(key: str, numbers: Callable[[], Table]) -> None:
    panel = st.expander("Numbers", type="compact", key=f"numbers-{key}", on_change="rerun")
    if panel.open:
        columns = numbers().to_pydict()
        shown = tables.of_columns(
            {name: [_cell(each) for each in values] for name, values in columns.items()}
        )
        panel.table(shown, hide_index=True, border="horizontal")  # pyright: ignore[reportUnknownMemberType] -- pyarrow has no types


def _cell(value: Cell) -> Cell:
    return escape(value) if isinstance(value, str) else value  # a table takes Markdown


def read_snapshot(record: SourceRecord) -> Snapshot | None:
    """The source's newest snapshot; one that cannot be read is said so, and hides nothing else."""
    if record.snapshot is None:
        return None
    try:
        return stored_snapshots.read_snapshot(record.snapshot)
    except StoreUnavailable as error:
        show_error(error)
        return None


def result_place() -> tuple[DeltaGenerator, DeltaGenerator]:
    """Where a result stands, next to what it took: of one size, so that nothing jumps when a run ends."""
    st.subheader("Snapshot", anchor=False)
    left, right = st.columns([3, 2])
    return left.container(height=_RESULT_PIXELS, border=True), right


def show_waiting() -> None:
    """Where the usage of a run will stand."""
    st.caption("What it takes is shown here once the agent has answered.")
    st.skeleton(_RESULT_PIXELS - 40)


def run_of(snapshot: Snapshot, ledger: Ledger) -> Run | None:
    """The run that made a snapshot; None where that was made elsewhere."""
    try:
        return ledger.get(snapshot.snapshot_id, snapshot.user_id)
    except SourceNotFound:
        return None


def show_json(snapshot: Snapshot, run: Run | None, before: Callable[[], None] | None = None) -> None:
    """The validated JSON.

    Args:
        snapshot: What it is of.
        run: The run that made it.
        before: Draws what stands above it.
    """
    said = report.standing(snapshot, run)
    text = snapshot.result.model_dump_json(indent=2)
    # The button lies inside: by keyboard, a part of a page can only be scrolled where it holds a focus.
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        kind = "Stored result, not checked here" if said.warns else "Validated result"
        # Of a set width: browsers learn that of a text late, and all below would jump on a phone.
        st.caption(f"{kind}, generated {escape(snapshot.generated_at)}", width=300)
        st.download_button(
            "Download JSON",
            text,
            file_name=f"snapshot-{snapshot.snapshot_id}.json",
            mime="application/json",
            icon=":material/download:",
            on_click="ignore",
        )
    if before is not None:
        before()
    st.json(text, expanded=True)


def show_snapshot_usage(snapshot: Snapshot, run: Run | None) -> None:
    """What a snapshot took, and whether it still holds what was accepted."""
    if run is None:
        st.info("This snapshot was made elsewhere: its usage is unknown here.")
        return
    matched, values = report.matches(snapshot, run)
    erased = run.erased_at is not None
    said = (
        report.standing(snapshot, run).text if erased else f"{matched} of {values} values match the buckets"
    )
    show_usage(run, said)


def show_report_button(snapshot: Snapshot, source_name: str, run: Run | None) -> None:
    """The report to take away."""
    st.download_button(
        "Report for print and PDF",
        lambda: report.write_report(snapshot, source_name, run).encode(),
        file_name=f"snapshot-{snapshot.snapshot_id}.html",
        mime="text/html",
        icon=":material/print:",
        on_click="ignore",
        help="One page, whole by itself: open it, then print it or save it as PDF",
    )


def _tokens(count: int | None) -> str:
    return "unknown" if count is None else f"{count:,}"


def show_usage(run: Run, check: str) -> None:
    """What a run took.

    Args:
        run: The run.
        check: What became of its answer.
    """
    usage: Usage = run.usage
    st.caption(
        "Estimated usage: the offline agent answered"
        if usage.estimated
        else "Usage, as the provider counted it"
    )
    show_metrics(
        {
            "Prompt tokens": _tokens(usage.prompt_tokens),
            "Completion tokens": _tokens(usage.completion_tokens),
            "Total tokens": _tokens(usage.total_tokens),
            "Cost": money(run.cost_usd, estimated=usage.estimated),
        },
        width=_METRIC_PIXELS,
    )
    facts = {
        "Check": check,
        "Agent": "offline agent" if run.agent == "offline" else "OpenAI",
        "Model asked": run.model,
        "Model answered": run.answered_model or "unknown",
        "Cached tokens": _tokens(usage.cached_tokens),
        "Latency": f"{total_ms(run):,} ms, of which the call {_milliseconds(run.latency_ms)}",
        "Provider's own time": _milliseconds(run.provider_ms),
        "Request id": run.request_id or "unknown",
        "Attempts": str(run.attempts),
        "Snapshot id": run.run_id,
    }
    show_facts(facts)


def ask_day(label: str, name: str, key: str, changed: Callable[[str], None], *, width: int) -> None:
    """A day in UTC, or none.

    Args:
        label: What it is.
        name: Given to `changed`.
        key: Of the session's state, where the choice stands.
        changed: Called when another day is chosen.
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


def show_metrics(figures: Mapping[str, str], *, width: int | Literal["content"] = "content") -> None:
    """Figures with their names, side by side.

    Args:
        figures: What is shown.
        width: In pixels, where lines of them are to be aligned: longer ones are cut off.
    """
    with st.container(horizontal=True, gap="small" if isinstance(width, int) else "medium"):
        for label, value in figures.items():
            st.metric(label, escape(value), width=width)


def show_facts(facts: Mapping[str, str]) -> None:
    """Names and what is to be said of each, as a table without a header."""
    st.table(  # pyright: ignore[reportUnknownMemberType] -- pyarrow has no types
        tables.of_columns(
            {"": [escape(name) for name in facts], " ": [escape(value) for value in facts.values()]}
        ),
        hide_index=True,
        hide_header=True,
        border="horizontal",
    )


def _milliseconds(value: int | None) -> str:
    return "unknown" if value is None else f"{value:,} ms"
