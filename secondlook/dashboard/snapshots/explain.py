"""“Explain with AI” beside a snapshot: what it would cost, the run while it lives, and what came of it."""

from __future__ import annotations

import streamlit as st

from secondlook.dashboard import resources, session
from secondlook.dashboard.parts import agent, body, decisions, links
from secondlook.dashboard.parts import run as run_parts
from secondlook.dashboard.parts.problems import escape, show_error
from secondlook.domain.runs import Run, RunStatus
from secondlook.errors import AnswerRejected, SecondlookError
from secondlook.services import Services
from secondlook.tasks.insights import prompt
from secondlook.views.figures import money, tokens
from secondlook.views.insights import InsightsView
from secondlook.views.run import view_run

_REFRESH_SECONDS = 0.5
_UNKNOWN_OUTCOME_SECONDS = 3
_REFUSED = "explain-refused"
_OF = "-explain"


def show_explain(services: Services, view: InsightsView) -> None:
    """Draw the button with its estimated cost, and the newest run where it has not ended well."""
    snapshot_id, latest = view.snapshot.snapshot_id, view.latest
    live = latest is not None and latest.status.active
    unresolved = latest is not None and latest.status is RunStatus.IN_DOUBT
    again = view.run is not None
    missing = agent.missing_agent(services)
    sure = not again or bool(st.session_state.get(f"explain-again-{snapshot_id}", False))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Explain with AI",
            key="explain",
            icon=":material/lightbulb:",
            disabled=live or unresolved or not sure or missing is not None,
            on_click=_explain,
            args=(snapshot_id, again),
        )
        if again:
            st.toggle(
                "Regenerate",
                key=f"explain-again-{snapshot_id}",
                disabled=live,
                help="Asks the agent again. The call is billed, and its sentences replace these.",
            )
        st.markdown(_estimate(services, view), width="content")
    for error in (missing, st.session_state.pop(_REFUSED, None)):
        if error is not None:
            show_error(error)
    if latest is not None:
        _show_latest(latest)
    if view.run is not None:
        _show_answer(view, view.run)


def _estimate(services: Services, view: InsightsView) -> str:
    """Return about what the call takes, before it is sent."""
    usage = prompt.question(prompt.build_input(view.facts)).usage
    provider = services.selected_agent()
    cost = money(provider.cost_usd(usage, provider.model), estimated=True)
    nothing = ". The offline agent answers: nothing is sent or billed" if provider.local else ""
    return f"{escape(tokens(usage.total_tokens, estimated=True))} tokens, {escape(cost)}{nothing}"


def _explain(snapshot_id: str, regenerate: bool) -> None:
    runner = resources.runner()
    try:
        run = runner.explain(snapshot_id, session.require_access(), regenerate=regenerate)
    except SecondlookError as error:
        st.session_state[_REFUSED] = error
        return
    st.session_state.pop(f"explain-again-{snapshot_id}", None)
    if run.status.active:
        runner.start(run.run_id)
    body.draw_whole()


# -- what became of it ----------------------------------------------------------------------------------


def _show_latest(run: Run) -> None:
    """Draw a run that goes on, whose outcome is unknown, or that failed."""
    view = view_run(run)
    if run.status.active:
        st.fragment(_watch, run_every=_REFRESH_SECONDS)(run.run_id, run.status)
    elif run.status is RunStatus.IN_DOUBT:
        st.warning(
            f"**{escape(view.agent)} has not confirmed whether it processed this request.** "
            "Retrying may charge you twice. A late answer still resolves this run.",
            icon=":material/help:",
        )
        decisions.show_decisions(run, _OF)
        st.fragment(_watch, run_every=_UNKNOWN_OUTCOME_SECONDS)(run.run_id, run.status)
    elif run.status is RunStatus.FAILED and view.error is not None:
        show_error(view.error)
        if isinstance(view.error, AnswerRejected):
            st.caption("No sentence of this answer is shown. Our own sentences stand in its place.")
        links.show_run_link(run.run_id)


def _watch(run_id: str, before: RunStatus) -> None:
    """Draw a run's steps; once its status changes, the page is drawn again."""
    run = resources.services().ledger.get(run_id, session.require_access().user_id)
    if run.status is not before:
        st.rerun()
    if run.status.active:
        st.markdown("  \n".join(run_parts.step_lines(run)))
        if run.error is not None:
            decisions.show_cancel(run, _OF)


def _show_answer(view: InsightsView, run: Run) -> None:
    """Draw whose sentences are shown, and what they took."""
    run_parts.show_rehearsal_badge(run)
    shown = view_run(run)
    refused = len(view.refused)
    told = (
        f"{refused:,} sentence{' was' if refused == 1 else 's were'} refused" if refused else "none refused"
    )
    st.caption(
        f"By {escape(shown.agent)} ({escape(shown.model)}), {escape(shown.total_tokens)} tokens, "
        f"{escape(shown.cost)}, {told}."
    )
    links.show_run_link(run.run_id)
