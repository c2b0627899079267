"""The button, and a run while it lives: its steps, its error, and what a person can decide."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from secondlook.dashboard import resources, session
from secondlook.dashboard.parts import agent, body, decisions, links
from secondlook.dashboard.parts import run as run_parts
from secondlook.dashboard.parts import snapshot as snapshot_parts
from secondlook.dashboard.parts.problems import escape, show_error
from secondlook.dashboard.sources import listing
from secondlook.domain.bucket_rules import GENERATED
from secondlook.domain.runs import Run, RunStatus
from secondlook.domain.snapshots import Snapshot
from secondlook.errors import SecondlookError
from secondlook.pipeline.preview import Preview
from secondlook.views.insights import InsightsView, read_insights
from secondlook.views.run import RunView, view_run
from secondlook.views.snapshot import run_of, view_snapshot

_REFRESH_SECONDS = 0.5
_UNKNOWN_OUTCOME_SECONDS = 3
_LINKS_PIXELS = 40
_REFUSED = "refused"


def show_generate(view: Preview, run: Run | None) -> None:
    """Draw the button, or why it cannot be pressed; a source with a snapshot asks first."""
    live = run is not None and run.status.active
    unresolved = run is not None and run.status is RunStatus.IN_DOUBT
    refusal = view.refusal or agent.missing_agent(resources.services())
    again = view.source.status == GENERATED
    toggle = f"again-{view.source.source_id}-{run.number if run else 0}"  # off again after each run
    sure = not again or bool(st.session_state.get(toggle, False))
    with st.container(horizontal=True, vertical_alignment="center"):
        # First, so that it stays where it is when the source has its first snapshot.
        st.button(
            "Generate snapshot",
            type="primary",
            icon=":material/auto_awesome:",
            shortcut="Ctrl+Enter",
            disabled=live or unresolved or not sure or refusal is not None,
            on_click=_generate,
            args=(view.source.source_id, again),
        )
        # Always there, or all below it would jump on a phone when a first run ends.
        st.toggle(
            "Regenerate",
            key=toggle,
            disabled=live or not again,
            help="Calls the agent again and stores a second snapshot beside the first. The call is billed.",
        )
    agent.show_agent_input(view, resources.services().selected_agent())
    if refusal is not None:
        show_error(refusal)
    refused: tuple[str, SecondlookError] | None = st.session_state.get(_REFUSED)
    if refused is not None and refused[0] == view.source.source_id and refusal is None:
        show_error(refused[1])


def _generate(source_id: str, regenerate: bool) -> None:
    st.session_state.pop(_REFUSED, None)
    try:
        run = resources.runner().submit(source_id, session.require_access(), regenerate=regenerate)
    except SecondlookError as error:
        st.session_state[_REFUSED] = (source_id, error)
    else:
        resources.runner().start(run.run_id)
        body.draw_whole()


def show_result(view: Preview, run: Run | None, snapshot: Snapshot | None) -> None:
    """Draw the newest run and the newest snapshot, in one place of one size."""
    if run is None and snapshot is None:
        return
    if run is not None:
        run_parts.show_rehearsal_badge(run)
    left, right = snapshot_parts.result_place()
    if run is not None and run.status.active:
        with left:
            st.fragment(_show_live, run_every=_REFRESH_SECONDS)(run.run_id)
        with right:
            snapshot_parts.show_waiting()
        st.skeleton(_LINKS_PIXELS)
    elif snapshot is not None:
        newest = run is not None and run.run_id == snapshot.snapshot_id
        made_by = run if newest else run_of(snapshot, resources.services().ledger)
        shown = view_snapshot(snapshot, view.source.shown_name, made_by)
        with left:
            snapshot_parts.show_json(shown, None if run is None else lambda: _show_end(run, brief=True))
        with right:
            snapshot_parts.show_snapshot_usage(shown)
        with st.container(horizontal=True, vertical_alignment="center"):
            snapshot_parts.show_report_button(shown, _insights_reader(snapshot))
            links.show_snapshot_links(snapshot.snapshot_id, view.source.source_id)
    elif run is not None:
        with left:
            _show_end(run, brief=False)
        with right:
            _show_usage(run)


def _insights_reader(snapshot: Snapshot) -> Callable[[], InsightsView]:
    services, access = resources.services(), session.require_access()
    store = services.store(access)
    return lambda: read_insights(store, services.ledger, snapshot.snapshot_id, access.user_id)


def _show_end(run: Run, *, brief: bool) -> None:
    """Draw how a run ended and what a person can decide; brief above an older snapshot."""
    view = view_run(run)
    if run.status is RunStatus.IN_DOUBT:
        _show_unknown_outcome(run, view)
        st.fragment(_watch_unknown_outcome, run_every=_UNKNOWN_OUTCOME_SECONDS)(run.run_id)
    elif view.error is not None:
        show_error(view.error)
    _show_steps(run, view, expanded=not brief)
    if run.status is not RunStatus.DONE:
        links.show_run_link(run.run_id)


def _show_usage(run: Run) -> None:
    if run.answered:
        run_parts.show_usage(run, "Answer rejected, no snapshot stored")
    else:
        st.info("No snapshot and no answer. Usage is unknown, or no request was sent.")


def _own_run(run_id: str) -> Run:
    return resources.services().ledger.get(run_id, session.require_access().user_id)


def _watch_unknown_outcome(run_id: str) -> None:
    """A late answer resolves the run while somebody looks at it."""
    if _own_run(run_id).status is not RunStatus.IN_DOUBT:
        st.rerun()


def _show_live(run_id: str) -> None:
    run = _own_run(run_id)
    if not run.status.active:
        listing.recount()
        st.rerun()
    _show_steps(run, view_run(run), expanded=True)


def _show_steps(run: Run, view: RunView, *, expanded: bool) -> None:
    live = run.status.active
    icon = "spinner" if live else run_parts.status_icon(run.status)
    # Not as st.status, which looks the same: it sleeps for 50 ms each time.
    steps = st.expander(view.outcome, icon=icon, expanded=expanded)
    steps.markdown("  \n".join(run_parts.step_lines(run)))
    for warning in run.warnings:
        steps.caption(f":material/warning: {escape(warning)}")
    if live and view.error is not None:
        show_error(view.error)
        decisions.show_cancel(run)


def _show_unknown_outcome(run: Run, view: RunView) -> None:
    message = "" if view.error is None else f" {escape(view.error.message)}."
    st.warning(
        f"**{view.agent} has not confirmed whether it processed this request.**{message} "
        "Retrying may charge you twice. A late answer still resolves this run.",
        icon=":material/help:",
    )
    decisions.show_decisions(run)
