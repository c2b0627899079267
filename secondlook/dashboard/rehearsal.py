"""A rehearsal on a page: what the agent is told to do, what becomes of it live, and what it leaves behind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import streamlit as st

from secondlook.dashboard import resources, session
from secondlook.dashboard.parts import body, links, panels
from secondlook.dashboard.parts.problems import escape, show_error
from secondlook.dashboard.sources import generate
from secondlook.domain.access import Access
from secondlook.domain.bucket_rules import GENERATED, RUNNABLE
from secondlook.domain.identifiers import not_found
from secondlook.domain.runs import Run, RunStatus
from secondlook.domain.sources import SourceQuery
from secondlook.domain.usage import Usage
from secondlook.errors import SecondlookError
from secondlook.execution.rehearsal import rehearse
from secondlook.pipeline.outcome import error_of, total_ms
from secondlook.providers.rehearsal import KINDS
from secondlook.services import Services
from secondlook.stores.base import Store
from secondlook.views.figures import duration, money

_REFRESH_SECONDS = 0.5
_SOURCES = 50
_REFUSED = "rehearsal-refused"
_STATES: Mapping[RunStatus, tuple[str, Literal["blue", "green", "red", "orange", "gray"]]] = {
    RunStatus.QUEUED: ("queued", "blue"),
    RunStatus.CALLING: ("asking the agent", "blue"),
    RunStatus.ANSWERED: ("being checked", "blue"),
    RunStatus.DONE: ("accepted", "green"),
    RunStatus.FAILED: ("refused", "red"),
    RunStatus.IN_DOUBT: ("in doubt", "orange"),
    RunStatus.CANCELLED: ("given up", "gray"),
}


def show_rehearsal(services: Services, access: Access) -> None:
    """Choose a source and a misbehaviour, rehearse, and watch; or why that cannot be done here."""
    st.warning(
        "**Nothing here is real.** The offline agent misbehaves on purpose, and its answer goes the way of "
        "any answer. Each run is marked by its model's name, which begins with “rehearsal-”.",
        icon=":material/theater_comedy:",
    )
    try:
        services.refuse_rehearsal()
    except SecondlookError as error:
        show_error(error)
        return
    run = _rehearsal(services, access)
    names = _sources(services.store(access), access.user_id)
    if not names:
        st.info("No source can be run. Bucket one first: it can be rehearsed here then.")
        links.show_sources_link("See the sources")
        return
    run = _show_choice(services, access, names, run)
    if run is not None:
        moves = run.status.active or run.status is RunStatus.IN_DOUBT
        st.fragment(_show_run, run_every=_REFRESH_SECONDS if moves else None)(run.run_id, run.status)


def _rehearsal(services: Services, access: Access) -> Run | None:
    """The rehearsal that the URL names."""
    run_id = st.query_params.get("run")
    if run_id is None:
        return None
    run = services.ledger.get(run_id, access.user_id)
    if not run.rehearsal:
        raise not_found("run_id")
    return run


def _sources(store: Store, user_id: str) -> dict[str, str]:
    """Names of sources that can be run, by their ids; those without a snapshot first."""
    found = [
        row.source
        for status in (RUNNABLE, GENERATED)
        for row in store.list_sources(
            user_id, SourceQuery(status=status, limit=_SOURCES, known_total=_SOURCES)
        ).rows
    ]
    return {source.source_id: source.shown_name for source in found}


def _show_choice(services: Services, access: Access, names: dict[str, str], run: Run | None) -> Run | None:
    """Draw the choice.

    Returns:
        The rehearsal to show: the chosen source's own as long as it is not settled.
    """
    ids = list(names)
    with st.container(border=True):
        left, right = st.columns(2)
        models = list(KINDS)
        model = left.selectbox(
            "What the agent does",
            models,
            index=models.index(run.model) if run is not None and run.model in KINDS else 0,
            format_func=lambda each: f"{KINDS[each].group}: {KINDS[each].title}",
            key="rehearsal-model",
        )
        left.caption(KINDS[model].detail)
        source_id = right.selectbox(
            "Source",
            ids,
            index=ids.index(run.source_id) if run is not None and run.source_id in names else 0,
            format_func=lambda each: names[each][:120],
            key=f"rehearsed-{access.user_id}",
        )
        latest = services.ledger.latest(access.user_id, source_id)
        open_one = latest if latest is not None and not latest.status.final else None
        st.button(
            "Rehearse",
            key="rehearse",
            type="primary",
            icon=":material/theater_comedy:",
            disabled=open_one is not None,
            on_click=_begin,
            args=(source_id, model),
        )
        if open_one is not None and not open_one.rehearsal:
            st.caption("A run of this source goes on or is in doubt: see the page Sources.")
    refused: SecondlookError | None = st.session_state.pop(_REFUSED, None)
    if refused is not None:
        show_error(refused)
    return open_one if open_one is not None and open_one.rehearsal else run


def _begin(source_id: str, model: str) -> None:
    try:
        run = rehearse(resources.services(), session.require_access(), source_id, model)
    except SecondlookError as error:
        st.session_state[_REFUSED] = error
        return
    resources.runner().start(run.run_id)
    st.query_params["run"] = run.run_id
    body.draw_whole()


# -- what becomes of it ---------------------------------------------------------------------------------


def _show_run(run_id: str, before: RunStatus) -> None:
    """The rehearsal, live; once it has changed for good, the rest of the page is drawn anew."""
    services, access = resources.services(), session.require_access()
    run = services.ledger.get(run_id, access.user_id)
    if run.status is not before and not run.status.active:
        st.rerun()
    kind = KINDS.get(run.model)
    state, color = _STATES[run.status]
    st.header("What becomes of it", anchor=False)
    with st.container(horizontal=True, vertical_alignment="center"):
        generate.show_mark(run)
        st.badge(state, color=color)
    if kind is not None:
        st.markdown(f"**{kind.group}: {kind.title}.** {kind.detail}")
    _show_verdict(run)
    steps, left = st.columns(2)
    with steps:
        st.subheader("Steps", anchor=False)
        st.markdown("  \n".join(generate.step_lines(run)))
        if run.waits_ms is not None:
            st.caption(
                f":material/hourglass: Request {run.attempts} was certainly not processed: it is sent again "
                f"in {duration(run.waits_ms)}."
            )
        links.show_run_link(run.run_id)
    with left:
        st.subheader("What it leaves behind", anchor=False)
        panels.show_facts(_left_behind(services, access, run))


def _show_verdict(run: Run) -> None:
    """As tall while it goes on as afterwards, so that nothing jumps."""
    if run.status.active:
        st.info(
            "**On its way.** Each step is shown as it is taken.\n\nWhat becomes of it is said here.",
            icon=":material/pending:",
        )
    elif run.status is RunStatus.DONE:
        st.success(
            "**Accepted: every value equals the buckets.**\n\nA snapshot was stored, as of any right answer.",
            icon=":material/check:",
        )
    elif run.status is RunStatus.IN_DOUBT:
        _show_doubt(run)
    elif run.status.final:
        show_error(error_of(run))


def _show_doubt(run: Run) -> None:
    st.warning(
        f"**{escape(error_of(run).message)}.** Nobody can know whether it was answered and paid for: no "
        "other run of this source begins before a person has settled this one, here or on the page Sources. "
        "Sent again, it would misbehave again.",
        icon=":material/help:",
    )
    st.button("Give it up", type="primary", key=f"give-up-{run.run_id}", on_click=_cancel, args=(run.run_id,))


def _cancel(run_id: str) -> None:
    resources.services().ledger.cancel(run_id, session.require_access().user_id)
    body.draw_whole()


def _left_behind(services: Services, access: Access, run: Run) -> dict[str, str]:
    """What the ledger and the store hold of it now."""
    store = services.store(access)
    record = store.load(run.source_id, access.user_id)
    stored = store.get_snapshot(run.run_id, access.user_id) is not None
    answered = run.answer is not None
    blocked = not run.status.final
    error = error_of(run)
    broken = {} if error.reason is None else {"Rule": error.reason, "Path": error.path or "the whole answer"}
    return {
        **broken,
        "Run": f"{_STATES[run.status][0]}, {duration(total_ms(run))}",
        "Requests": f"{run.attempts} by the offline agent, to nobody",
        "Answer": f"kept for QA, {len(run.answer or ''):,} characters" if answered else "none came",
        "Tokens counted": _tokens(run.usage) if answered else "none",
        "Cost": money(run.cost_usd, estimated=run.usage.estimated) if answered else "none",
        "Store": "a snapshot, as of any right answer" if stored else "unchanged: no snapshot",
        "Source": "gone" if record is None else record.source.status,
        "Next run": "waits until this one is settled" if blocked else "can begin at once",
    }


def _tokens(usage: Usage) -> str:
    if usage.total_tokens is None:
        return "unknown"
    return f"{'≈ ' if usage.estimated else ''}{usage.total_tokens:,}"
