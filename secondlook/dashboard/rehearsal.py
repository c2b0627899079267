"""Rehearsals: choose how the agent misbehaves, watch the run, see what it leaves behind."""

from __future__ import annotations

import streamlit as st

from secondlook.dashboard import resources, session
from secondlook.dashboard.parts import body, decisions, figures, links
from secondlook.dashboard.parts import run as run_parts
from secondlook.dashboard.parts.problems import escape, show_error
from secondlook.domain.access import Access
from secondlook.domain.bucket_rules import GENERATED, RUNNABLE
from secondlook.domain.identifiers import not_found
from secondlook.domain.runs import INSIGHTS, Run, RunStatus
from secondlook.domain.sources import SourceQuery
from secondlook.errors import SecondlookError
from secondlook.pipeline.answers import trace_of
from secondlook.providers.rehearsal import KINDS
from secondlook.services import Services
from secondlook.stores.base import Store
from secondlook.views.figures import duration
from secondlook.views.run import RunView, view_run

_REFRESH_SECONDS = 0.5
_SOURCES = 50
_REFUSED = "rehearsal-refused"


def show_rehearsal(services: Services, access: Access) -> None:
    """Draw the choice and the rehearsal, or why rehearsals are not available here."""
    st.warning(
        "**This is a rehearsal.** The agent misbehaves on purpose, and its answer is treated like "
        "any other. The model name of each run begins with “rehearsal-”.",
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
        st.info("No source can be run. Bucket a source first.")
        links.show_sources_link("Show sources")
        return
    run = _show_choice(services, access, names, run)
    if run is not None:
        moves = run.status.active or run.status is RunStatus.IN_DOUBT
        st.fragment(_show_run, run_every=_REFRESH_SECONDS if moves else None)(run.run_id, run.status)


def _rehearsal(services: Services, access: Access) -> Run | None:
    """Return the rehearsal that the URL names."""
    run_id = st.query_params.get("run")
    if run_id is None:
        return None
    run = services.ledger.get(run_id, access.user_id)
    if not run.rehearsal:
        raise not_found("run_id")
    return run


def _sources(store: Store, user_id: str) -> dict[str, str]:
    """Return names of sources that can be run by their ids, those without a snapshot first."""
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
        The rehearsal to show: the one of the chosen source as long as it is not finished.
    """
    ids = list(names)
    with st.container(border=True):
        left, right = st.columns(2)
        models = list(KINDS)
        model = left.selectbox(
            "Agent behavior",
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
        latest = _latest(services, access, source_id, model)
        open_one = latest if latest is not None and not latest.status.final else None
        st.button(
            "Start rehearsal",
            key="rehearse",
            type="primary",
            icon=":material/theater_comedy:",
            disabled=open_one is not None,
            on_click=_begin,
            args=(source_id, model),
        )
        if open_one is not None and not open_one.rehearsal:
            st.caption("A run of this source is active or its outcome is unknown. See the Sources page.")
    refused: SecondlookError | None = st.session_state.pop(_REFUSED, None)
    if refused is not None:
        show_error(refused)
    return open_one if open_one is not None and open_one.rehearsal else run


def _latest(services: Services, access: Access, source_id: str, model: str) -> Run | None:
    """Return the newest run that a rehearsal of this kind would have to wait for."""
    if KINDS[model].task != INSIGHTS:
        return services.ledger.latest(access.user_id, source_id)
    rows = services.store(access).list_snapshots(access.user_id, source_id=source_id, limit=1).rows
    subject = rows[0].snapshot_id if rows else ""
    return services.ledger.latest(access.user_id, source_id, INSIGHTS, subject)


def _begin(source_id: str, model: str) -> None:
    try:
        run = resources.runner().submit(source_id, session.require_access(), rehearsal=model)
    except SecondlookError as error:
        st.session_state[_REFUSED] = error
        return
    resources.runner().start(run.run_id)
    st.query_params["run"] = run.run_id
    body.draw_whole()


# -- what becomes of it ---------------------------------------------------------------------------------


def _show_run(run_id: str, before: RunStatus) -> None:
    """Draw the rehearsal live; once it has ended, the rest of the page is drawn again."""
    services, access = resources.services(), session.require_access()
    run = services.ledger.get(run_id, access.user_id)
    if run.status is not before and not run.status.active:
        st.rerun()
    kind = KINDS.get(run.model)
    view = view_run(run)
    st.header("Outcome", anchor=False)
    with st.container(horizontal=True, vertical_alignment="center"):
        run_parts.show_rehearsal_badge(run)
        run_parts.show_status_badge(run)
    if kind is not None:
        st.markdown(f"**{kind.group}: {kind.title}.** {kind.detail}")
    _show_outcome(run, view)
    steps, left = st.columns(2)
    with steps:
        st.subheader("Steps", anchor=False)
        st.markdown("  \n".join(run_parts.step_lines(run)))
        if run.waits_ms is not None:
            st.caption(
                f":material/hourglass: Request {run.attempts} was not processed. "
                f"It is sent again in {duration(run.waits_ms)}."
            )
        links.show_run_link(run.run_id)
    with left:
        st.subheader("Result", anchor=False)
        figures.show_facts(_result(services, access, run, view))


def _show_outcome(run: Run, view: RunView) -> None:
    """Draw the outcome, as tall during the run as afterwards, so that nothing jumps."""
    if run.status.active:
        st.info(
            "**The rehearsal is running.** Each step appears as it is taken.\n\nThe outcome appears here.",
            icon=":material/pending:",
        )
    elif run.status is RunStatus.DONE:
        st.success(
            _say_sentences(run)
            if run.task == INSIGHTS
            else "**Answer accepted.** Every value matches the buckets.\n\n"
            "Snapshot saved, as for any correct answer.",
            icon=":material/check:",
        )
    elif run.status is RunStatus.IN_DOUBT:
        _show_unknown_outcome(run, view)
    elif view.error is not None:
        show_error(view.error)


def _say_sentences(run: Run) -> str:
    """Return what became of the sentences of an answer."""
    found = trace_of(run)
    refused = ", ".join(sorted({each.rule for each in found.sentences if each.rule is not None}))
    why = f"The others were refused: {escape(refused)}." if refused else "None was refused."
    return (
        f"**{found.matched} of {len(found.sentences)} sentences accepted.** {why}\n\n"
        "Refused sentences are shown in the run details only. Our own sentences stand in their place."
    )


def _show_unknown_outcome(run: Run, view: RunView) -> None:
    message = "" if view.error is None else f" {escape(view.error.message)}."
    st.warning(
        f"**Outcome unknown.**{message} The request may have been answered and billed. No other run of this "
        "source starts until someone resolves this one, here or on Sources. A retry would misbehave again.",
        icon=":material/help:",
    )
    st.button(
        "Cancel run",
        type="primary",
        key=f"cancel-{run.run_id}",
        on_click=decisions.cancel,
        args=(run.run_id,),
    )


def _result(services: Services, access: Access, run: Run, view: RunView) -> dict[str, str]:
    """Return what the ledger and the store hold of the rehearsal now."""
    store = services.store(access)
    record = store.load(run.source_id, access.user_id)
    stored = store.get_snapshot(run.run_id, access.user_id) is not None
    answered = run.answer is not None
    blocked = not run.status.final
    error = run.error
    broken = (
        {}
        if error is None or error.reason is None
        else {"Rule": error.reason, "Path": error.path or "the whole answer"}
    )
    return {
        **broken,
        "Run": view.outcome,
        "Requests": f"{run.attempts}, none of them to a provider",
        "Answer": f"kept for QA, {len(run.answer or ''):,} characters" if answered else "none",
        "Tokens": view.total_tokens,
        "Cost": view.cost,
        "Store": _say_store(run, stored=stored),
        "Source": "deleted" if record is None else record.source.status,
        "Next run": "blocked until this one is resolved" if blocked else "can start now",
    }


def _say_store(run: Run, *, stored: bool) -> str:
    if run.task == INSIGHTS:
        return "unchanged, insights are kept in the ledger"
    return "one snapshot, as for any correct answer" if stored else "unchanged, no snapshot"
