"""The button, and a run while it lives: its steps, its error, what a person can decide."""

from __future__ import annotations

import streamlit as st

from secondlook.dashboard import resources, session
from secondlook.dashboard.parts import body, links, panels
from secondlook.dashboard.parts.problems import escape, show_error
from secondlook.dashboard.sources import listing
from secondlook.domain.bucket_rules import GENERATED
from secondlook.domain.runs import Run, RunStatus
from secondlook.domain.snapshots import Snapshot
from secondlook.errors import SecondlookError
from secondlook.pipeline.outcome import error_of, total_ms
from secondlook.pipeline.preview import Preview
from secondlook.views.figures import duration

_REFRESH_SECONDS = 0.5
_DOUBT_SECONDS = 3
_LINKS_PIXELS = 40
_REFUSED = "refused"

STEPS = (
    ("load", "Verify the source, load its buckets and count its estimates"),
    ("check", "Determine confidence and build the agent's input"),
    ("call", "Call the agent, once"),
    ("validate", "Check every value of the answer against the buckets"),
    ("store", "Store the snapshot with its metadata"),
    ("mark", "Mark the source"),
)
"""The nine steps as they are timed: what is one round trip is one line."""


def show_generate(view: Preview, run: Run | None) -> None:
    """The button, or why there is none; a source with a snapshot asks first."""
    live = run is not None and run.status.active
    doubtful = run is not None and run.status is RunStatus.IN_DOUBT
    refusal = view.refusal or _missing_key()
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
            disabled=live or doubtful or not sure or refusal is not None,
            on_click=_generate,
            args=(view.source.source_id, again),
        )
        # Always there, or all below it would jump on a phone when a first run ends.
        st.toggle("Generate again: a new call, a second snapshot", key=toggle, disabled=live or not again)
    panels.show_agent_input(view, resources.services().settings.model)
    if refusal is not None:
        show_error(refusal)
    refused: tuple[str, SecondlookError] | None = st.session_state.get(_REFUSED)
    if refused is not None and refused[0] == view.source.source_id and refusal is None:
        show_error(refused[1])


def _missing_key() -> SecondlookError | None:
    try:
        resources.services().agent_name()
    except SecondlookError as error:
        return error
    return None


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
    """The newest run while it lives and how it ended, and the newest snapshot: in one place of one size."""
    if run is None and snapshot is None:
        return
    if run is not None:
        show_mark(run)
    left, right = panels.result_place()
    if run is not None and run.status.active:
        with left:
            st.fragment(_show_live, run_every=_REFRESH_SECONDS)(run.run_id)
        with right:
            panels.show_waiting()
        st.skeleton(_LINKS_PIXELS)
    elif snapshot is not None:
        made_by = panels.run_of(snapshot, resources.services().ledger)
        with left:
            panels.show_json(snapshot, made_by, None if run is None else lambda: _show_end(run, brief=True))
        with right:
            panels.show_snapshot_usage(snapshot, made_by)
        with st.container(horizontal=True, vertical_alignment="center"):
            panels.show_report_button(snapshot, view.source.shown_name, made_by)
            links.show_snapshot_links(snapshot.snapshot_id, view.source.source_id)
    elif run is not None:
        with left:
            _show_end(run, brief=False)
        with right:
            _show_what_it_took(run)


def _show_end(run: Run, *, brief: bool) -> None:
    """How a run ended, with what a person can decide; brief above an older snapshot."""
    if run.status is RunStatus.IN_DOUBT:
        _show_doubt(run)
        st.fragment(_watch_doubt, run_every=_DOUBT_SECONDS)(run.run_id)
    elif run.status is not RunStatus.DONE:
        show_error(error_of(run))
    _show_steps(run, expanded=not brief)
    if run.status is not RunStatus.DONE:
        links.show_run_link(run.run_id)


def _show_what_it_took(run: Run) -> None:
    if run.answered:
        panels.show_usage(run, "no snapshot: the answer was refused")
    else:
        st.info("No snapshot, and no answer: what the request took is not known, or nothing was sent.")


def show_mark(run: Run) -> None:
    """Say of a rehearsal that it is one."""
    if run.rehearsal:
        st.badge(f"Rehearsal: {escape(run.model)}", icon=":material/theater_comedy:", color="violet")


def _own_run(run_id: str) -> Run:
    return resources.services().ledger.get(run_id, session.require_access().user_id)


def _watch_doubt(run_id: str) -> None:
    """A late answer settles the run while somebody looks at it."""
    if _own_run(run_id).status is not RunStatus.IN_DOUBT:
        st.rerun()


def _show_live(run_id: str) -> None:
    run = _own_run(run_id)
    if not run.status.active:
        listing.recount()
        st.rerun()
    _show_steps(run, expanded=True)


def _show_steps(run: Run, *, expanded: bool) -> None:
    live = run.status.active
    spent = duration(total_ms(run))
    label = _ENDED.get(run.status, "Generating… {}").format(spent)
    icon = "spinner" if live else f":material/{_STANDS.get(run.status, 'check')}:"
    # Not as st.status, which looks the same: it sleeps for 50 ms each time.
    steps = st.expander(label, icon=icon, expanded=expanded)
    steps.markdown("  \n".join(step_lines(run)))
    for warning in run.warnings:
        steps.caption(f":material/warning: {escape(warning)}")
    if live and run.error is not None:
        show_error(error_of(run))
        st.button("Give it up", on_click=_cancel, args=(run.run_id,))


def step_lines(run: Run) -> list[str]:
    """Each step in Markdown: how long it took, or that it is under way, failed, or was not reached."""
    lines: list[str] = []
    timings = dict(run.timings)
    if run.latency_ms is not None:
        timings.setdefault("call", run.latency_ms)
    reached = True
    for step, text in STEPS:
        if step in timings:
            lines.append(f":material/check: {text} · {duration(timings[step])}")
        elif reached:
            reached = False
            lines.append(f":material/{_STANDS.get(run.status, 'pending')}: **{text}**")
        else:
            lines.append(f":material/radio_button_unchecked: {text}")
    return lines


_STANDS = {
    RunStatus.FAILED: "cancel",
    RunStatus.IN_DOUBT: "help",
    RunStatus.CANCELLED: "remove_circle",
}
"""The icon of the step that a run stands at, where it does not go on."""

_ENDED = {
    RunStatus.DONE: "Generated in {}",
    RunStatus.FAILED: "Failed after {}",
    RunStatus.IN_DOUBT: "In doubt",
    RunStatus.CANCELLED: "Given up",
}


def _show_doubt(run: Run) -> None:
    st.warning(
        f"**Nobody knows whether the agent answered.** {escape(error_of(run).message)}. If the answer still "
        "comes, it settles this run by itself. Sending it again may pay for the same snapshot twice.",
        icon=":material/help:",
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        sure = st.toggle("I know that it may be paid twice", key=f"twice-{run.run_id}")
        st.button("Send again", disabled=not sure, on_click=_resend, args=(run.run_id,))
        st.button("Give it up", on_click=_cancel, args=(run.run_id,))


def _resend(run_id: str) -> None:
    resources.services().ledger.resend(run_id, session.require_access().user_id)
    resources.runner().start(run_id)
    body.draw_whole()


def _cancel(run_id: str) -> None:
    resources.services().ledger.cancel(run_id, session.require_access().user_id)
    body.draw_whole()
