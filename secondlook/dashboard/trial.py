"""The trial of a model: preview its cost, start it behind that, and see what its answers were worth."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from secondlook.dashboard import resources, session
from secondlook.dashboard.parts import arrow, body, figures, links
from secondlook.dashboard.parts.problems import escape, show_error
from secondlook.domain.access import Access
from secondlook.errors import SecondlookError
from secondlook.execution import trials
from secondlook.execution.batches import Forecast
from secondlook.services import Services
from secondlook.views.figures import money, tokens
from secondlook.views.trial import TRIED_COLUMNS, TrialReport, report_trial, trial_facts, tried_cells

_REFRESH_SECONDS = 1
_MOST = 100
_SOURCES, _PREVIEW, _REFUSED = "trial-sources", "trial-preview", "trial-refused"
_OPEN = "trial"


@dataclass(frozen=True)
class _Preview:
    """What a trial would be."""

    user_id: str
    sources: int
    found: Forecast


def show_trial(services: Services, access: Access) -> None:
    """Draw the choice, its preview, and the trial that the URL names."""
    local = services.selected_agent().local
    billed = "The offline agent answers: nothing is billed." if local else "The calls are real and billed."
    st.header("Try the model", anchor=False)
    st.caption(
        "Asks the model of the settings for snapshots of your first sources and checks each answer. "
        f"{billed} No snapshot is stored, and no source changes."
    )
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.number_input(
                "Sources to try",
                min_value=1,
                max_value=_MOST,
                value=5,
                key=_SOURCES,
                width=160,
                on_change=_forget,
            )
            st.button("Preview", key="preview-trial", icon=":material/search:", on_click=_show_preview)
        preview: _Preview | None = st.session_state.get(_PREVIEW)
        if preview is not None and preview.user_id == access.user_id:
            _show_forecast(services, preview.found)
        else:
            st.caption("The preview is free. Nothing is sent before you confirm.")
        refused: SecondlookError | None = st.session_state.pop(_REFUSED, None)
        if refused is not None:
            show_error(refused)
    batch_id = st.query_params.get(_OPEN)
    if batch_id is not None:
        moving = services.batches.get(batch_id, access.user_id).moving
        st.fragment(_show_result, run_every=_REFRESH_SECONDS if moving else None)(batch_id, moving)


def _forget() -> None:
    st.session_state.pop(_PREVIEW, None)


def _show_preview() -> None:
    sources, access = int(st.session_state[_SOURCES]), session.require_access()
    _forget()
    try:
        found = trials.forecast(resources.services(), access, sources)
    except SecondlookError as error:
        st.session_state[_REFUSED] = error
    else:
        st.session_state[_PREVIEW] = _Preview(access.user_id, sources, found)


def _show_forecast(services: Services, found: Forecast) -> None:
    agent = services.asked_agent()
    figures.show_metrics(
        {
            "Sources": f"{found.runnable:,}",
            "Tokens": tokens(found.tokens, estimated=True),
            "Cost": money(found.cost_usd, estimated=found.cost_usd is not None),
        }
    )
    st.caption(f"{escape(agent.label)} is asked for {escape(agent.model)}.")
    if agent.local:
        st.caption("The offline agent answers. No request is sent and nothing is billed.")
    cost = "an unknown cost" if found.cost_usd is None else f"about {money(found.cost_usd, estimated=False)}"
    number = f"{found.runnable:,} source{'' if found.runnable == 1 else 's'}"
    st.button(
        f"Try {number} for {escape(cost)}",
        key="start-trial",
        icon=":material/experiment:",
        on_click=_begin,
    )


def _begin() -> None:
    access = session.require_access()
    preview: _Preview | None = st.session_state.pop(_PREVIEW, None)
    if preview is None or preview.user_id != access.user_id:
        return  # pressed twice
    runner = resources.runner()
    try:
        begun = trials.begin(runner.services, access, preview.sources)
    except SecondlookError as error:
        st.session_state[_REFUSED] = error
        return
    runner.look_again()
    st.query_params[_OPEN] = begun.batch_id
    body.draw_whole()


# -- its result -----------------------------------------------------------------------------------------


def _show_result(batch_id: str, before: bool) -> None:
    """Draw a trial live; once it has ended, the rest of the page is drawn again."""
    services, access = resources.services(), session.require_access()
    moving = services.batches.get(batch_id, access.user_id).moving
    if moving is not before:
        st.rerun()
    runs = services.ledger.of_batch(batch_id, access.user_id)
    if not runs or runs[0].makes_snapshot:
        st.info("This trial has no runs. Start another one.")
        return
    report = report_trial(runs)
    st.subheader("Trial in progress" if moving else "Trial result", anchor=False)
    figures.show_facts(trial_facts(report))
    _show_runs(report)


def _show_runs(report: TrialReport) -> None:
    lines = [tuple(map(escape, tried_cells(run))) for run in report.runs]
    columns = {name: [line[index] for line in lines] for index, name in enumerate(TRIED_COLUMNS)}
    st.table(arrow.of_columns(columns), hide_index=True, border="horizontal")  # pyright: ignore[reportUnknownMemberType] -- pyarrow has no types
    rejected = [run for run in report.runs if run.mistake is not None]
    for run in rejected[:10]:
        links.show_run_link(run.run_id, f"Run details: {escape(run.result)}, source {run.source_id}")
