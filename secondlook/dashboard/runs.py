"""The button, and a run while it lives: its steps, its error, what a person can decide."""

from __future__ import annotations

import streamlit as st

from secondlook.dashboard import listing, panels, resources, session
from secondlook.dashboard.problems import escape, show_error
from secondlook.errors import SecondlookError
from secondlook.figures import duration
from secondlook.models import Run, RunStatus
from secondlook.preview import Preview
from secondlook.runner import error_of, total_ms
from secondlook.validation.buckets import GENERATED

_REFRESH_SECONDS = 0.5
_DOUBT_SECONDS = 3
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
    with st.container(horizontal=True, vertical_alignment="center"):
        again = view.source.status == GENERATED
        sure = not again or st.toggle(
            "Generate again: a new call, a second snapshot",
            key=f"again-{view.source.source_id}-{run.number if run else 0}",  # off again after each run
            disabled=live,
        )
        st.button(
            "Generate snapshot",
            type="primary",
            icon=":material/auto_awesome:",
            shortcut="Ctrl+Enter",
            disabled=live or doubtful or not sure or refusal is not None,
            on_click=_generate,
            args=(view.source.source_id, again),
        )
    panels.show_agent_input(view, resources.wiring().settings.model)
    if refusal is not None:
        show_error(refusal)
    refused: tuple[str, SecondlookError] | None = st.session_state.get(_REFUSED)
    if refused is not None and refused[0] == view.source.source_id and refusal is None:
        show_error(refused[1])


def _missing_key() -> SecondlookError | None:
    try:
        resources.wiring().agent_name()
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


def show_run(run: Run | None) -> None:
    """The source's newest run: live steps, or how it ended."""
    if run is None:
        return
    show_mark(run)
    if run.status.active:
        st.fragment(_show_live, run_every=_REFRESH_SECONDS)(run.run_id)
    elif run.status is RunStatus.IN_DOUBT:
        _show_doubt(run)
        st.fragment(_watch_doubt, run_every=_DOUBT_SECONDS)(run.run_id)
    elif run.status is RunStatus.DONE:
        _show_steps(run, expanded=False)
    else:
        show_error(error_of(run))


def show_mark(run: Run) -> None:
    """Say of a rehearsal that it is one."""
    if run.rehearsal:
        st.badge(f"Rehearsal: {escape(run.model)}", icon=":material/theater_comedy:", color="violet")


def _own_run(run_id: str) -> Run:
    return resources.wiring().ledger.get(run_id, session.require_access().user_id)


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
    label = f"Generating… {spent}" if live else f"Generated in {spent}"
    # Not as a context manager: leaving one would mark the steps as complete.
    steps = st.status(label, state="running" if live else "complete", expanded=expanded)
    steps.markdown("  \n".join(step_lines(run)))
    for warning in run.warnings:
        steps.caption(f":material/warning: {escape(warning)}")
    if run.error is not None:
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
    resources.wiring().ledger.resend(run_id, session.require_access().user_id)
    resources.runner().start(run_id)


def _cancel(run_id: str) -> None:
    resources.wiring().ledger.cancel(run_id, session.require_access().user_id)
