"""The start of a batch: choose sources, preview what a batch of them would be, confirm it once."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from secondlook.dashboard import resources, session
from secondlook.dashboard.batch.batches import NOT_STARTED
from secondlook.dashboard.batch.reasons import reason
from secondlook.dashboard.parts import body, figures, links
from secondlook.dashboard.parts.problems import escape, show_error
from secondlook.domain.access import Access
from secondlook.domain.bucket_rules import GENERATED, RUNNABLE
from secondlook.domain.runs import INSIGHTS
from secondlook.errors import SecondlookError
from secondlook.execution import batches
from secondlook.execution.batches import Forecast, Selection
from secondlook.services import Services
from secondlook.views.figures import money, tokens

_PREVIEW = "batch-preview"
_STATUS, _CONCURRENCY, _PER_MINUTE = "batch-status", "batch-concurrency", "batch-per-minute"
_CHOICES = {
    RUNNABLE: ("Sources without a snapshot", "Status “bucketed”"),
    GENERATED: (
        "Sources with a snapshot (regenerate)",
        "Status “snapshot generated”. Each source gets a new, billed call and a second snapshot.",
    ),
    INSIGHTS: (
        "Insights of the newest snapshots",
        "The agent says what stands out in the newest snapshot of each source. No snapshot is stored.",
    ),
}


@dataclass
class _Preview:
    """A selection of sources, and its forecast once it is known."""

    user_id: str
    selection: Selection
    found: Forecast | None = None


def show_start(services: Services, access: Access) -> None:
    """Draw the choice of sources, the preview and its confirmation."""
    with st.container(border=True):
        st.radio(
            "Sources",
            list(_CHOICES),
            format_func=lambda status: _CHOICES[status][0],
            captions=[caption for _, caption in _CHOICES.values()],
            key=_STATUS,
            on_change=_forget,
        )
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.number_input(
                "Concurrency",
                min_value=1,
                max_value=256,
                value=services.settings.concurrency,
                key=_CONCURRENCY,
                width=160,
                help="The most runs at the same time. The provider's rate limits always apply.",
            )
            st.number_input(
                "Starts per minute",
                min_value=1,
                max_value=100_000,
                value=None,
                placeholder="no limit",
                key=_PER_MINUTE,
                width=160,
                help="The most runs started per minute. Leave empty for no limit.",
            )
            preview: _Preview | None = st.session_state.get(_PREVIEW)
            shown = preview is not None and preview.user_id == access.user_id
            st.button(
                "Preview",
                type="secondary" if shown else "primary",  # then the confirmation is the next step
                icon=":material/search:",
                on_click=_show_preview,
            )
        if preview is None or preview.user_id != access.user_id:
            st.caption("The preview is free. Nothing is sent before you confirm.")
            return
        if preview.found is None:
            with st.spinner("Checking every source…"):
                preview.found = batches.forecast(services, access, preview.selection)
        _show_forecast(services, access, preview.found, preview.selection)


def _show_preview() -> None:
    chosen: str = st.session_state[_STATUS]
    selection = Selection(task=INSIGHTS) if chosen == INSIGHTS else Selection(chosen)
    st.session_state[_PREVIEW] = _Preview(session.require_access().user_id, selection)
    st.session_state.pop(NOT_STARTED, None)


def _forget() -> None:
    st.session_state.pop(_PREVIEW, None)


def _show_forecast(services: Services, access: Access, found: Forecast, selection: Selection) -> None:
    allowance = batches.allowance(services, access, found)
    allowed = "all" if allowance.refusal is None else f"{allowance.calls:,}"
    forecast = {
        "Sources": f"{found.sources:,}",
        "Runnable": f"{found.runnable:,}",
        "Tokens": tokens(found.tokens, estimated=True),
        "Cost": money(found.cost_usd, estimated=found.cost_usd is not None),
        "Allowed by budgets": allowed,
    }
    figures.show_metrics(forecast)
    left_out = [f":material/remove: {n:,} skipped: {reason(code)}" for code, n in found.refused.most_common()]
    st.markdown("  \n".join(left_out))
    if not found.runnable:
        st.info("None of these sources can be run. Choose other sources, or see what each source lacks.")
        links.show_sources_link("Show sources")
        return
    if allowance.refusal is not None:
        show_error(allowance.refusal)
        if allowance.calls:
            st.caption(f"The first {allowance.calls:,} runs would be sent. The others fail without a charge.")
    if services.asked_agent().local:
        st.caption("The offline agent answers. No request is sent and nothing is billed.")
    st.button(
        _confirmation(found, found.runnable if allowance.refusal is None else allowance.calls, selection),
        type="primary",
        icon=":material/auto_awesome:",
        disabled=allowance.calls == 0,
        on_click=_begin,
    )


def _confirmation(found: Forecast, sent: int, selection: Selection) -> str:
    """Return the label of the button: how many of what, and about what they cost."""
    some = f"{sent:,} of {found.runnable:,}" if 0 < sent < found.runnable else f"{found.runnable:,}"
    noun = "snapshot" if found.runnable == 1 else "snapshots"
    verb = "Explain" if selection.task == INSIGHTS else "Generate"
    if found.cost_usd is None:
        return f"{verb} {some} {noun} for an unknown cost"
    cost = found.cost_usd * (sent or found.runnable) / found.runnable
    return f"{verb} {some} {noun} for about {escape(money(cost, estimated=False))}"


def _begin() -> None:
    # Read here, not where the button was drawn: the press may submit the number that was just typed.
    concurrency, per_minute = int(st.session_state[_CONCURRENCY]), st.session_state[_PER_MINUTE]
    access = session.require_access()
    preview: _Preview | None = st.session_state.pop(_PREVIEW, None)
    if preview is None or preview.user_id != access.user_id:
        return  # pressed twice
    body.draw_whole()
    try:
        resources.filler().begin(access, preview.selection, concurrency=concurrency, per_minute=per_minute)
    except SecondlookError as error:
        st.session_state[NOT_STARTED] = error
