"""Run details: what was sent, what was received, what was checked, and why the run ended so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from secondlook.dashboard import resources, session
from secondlook.dashboard.parts import agent, figures, links
from secondlook.dashboard.parts import run as run_parts
from secondlook.dashboard.parts.budgets import moment
from secondlook.dashboard.parts.problems import escape, show_error
from secondlook.dashboard.runs import answer, listing, reviews
from secondlook.domain.access import Access
from secondlook.domain.run_filter import RunFilter
from secondlook.domain.runs import INSIGHTS, RunStatus
from secondlook.errors import SecondlookError
from secondlook.ledger.history import Call
from secondlook.services import Services
from secondlook.telemetry.tracing import trace_id_of
from secondlook.views import export
from secondlook.views.figures import duration, money, tokens
from secondlook.views.run_details import RunDetails, details_fields, read_details, read_stored

_REFRESH_SECONDS = 1
_OUTCOMES: Mapping[str | None, str] = {
    "answered": "answered",
    "not_processed": "not processed",
    "refused": "refused",
    "unknown": "outcome unknown, possibly answered",
    None: "in flight, or its process ended",
}


def show_run(services: Services, access: Access, run_id: str, wanted: RunFilter) -> None:
    """Draw a run's details; those of a run that goes on are drawn again when its status changes."""
    only = services.policy.visible_user_id(access)
    details = read_details(services.ledger, services.history, services.reviews, run_id, only=only)
    run, view = details.run, details.view
    _show_navigation(services, details, wanted, only)
    _show_head(details)
    if run.status.active:
        st.fragment(_watch, run_every=_REFRESH_SECONDS)(run.run_id, run.status)
    if run.error is not None and view.error is not None:
        show_error(view.error)
    _show_figures(details)
    if run.erased_at is not None:
        st.info(
            f"Input, request and answer were erased on {escape(moment(run.erased_at))}. "
            "Usage and cost are kept.",
            icon=":material/ink_eraser:",
        )
    left, right = st.columns([3, 2], gap="large")
    with left:
        answer.show_checks(details)
    with right:
        reviews.show_reviews(services, access, details)
    if run.erased_at is None and details.trace.sentences:
        answer.show_sentences(details.trace)
    elif run.erased_at is None and run.task != INSIGHTS:
        answer.show_values(details.trace, answered=run.answer is not None)
    left, right = st.columns(2, gap="large")
    with left:
        _show_steps(details)
    with right:
        st.subheader("Facts", anchor=False)
        figures.show_facts(_facts(details))
        _show_stored(services, access, details)
    _show_calls(details.calls)
    if run.erased_at is None:
        answer.show_texts(details)


def _watch(run_id: str, before: RunStatus) -> None:
    services = resources.services()
    only = services.policy.visible_user_id(session.require_access())
    if services.ledger.get(run_id, only).status is not before:
        st.rerun()


# -- head -----------------------------------------------------------------------------------------------


def _show_navigation(services: Services, details: RunDetails, wanted: RunFilter, only: str | None) -> None:
    """Draw the ways back to the list, along the list, and out as a link or a file."""
    run_id = details.run.run_id
    near = services.history.neighbours(run_id, wanted, only=only)
    with st.container(horizontal=True, horizontal_alignment="distribute"):
        with st.container(horizontal=True, width="content"):
            _show_step("All runs", ":material/arrow_back:", None)
            _show_step("Newer", ":material/keyboard_arrow_up:", near.newer, disabled=near.newer is None)
            _show_step("Older", ":material/keyboard_arrow_down:", near.older, disabled=near.older is None)
        with st.container(horizontal=True, width="content"):
            if services.settings.trace_url is not None:
                address = services.settings.trace_url.replace("{trace_id}", trace_id_of(run_id))
                st.link_button("Trace", address, icon=":material/timeline:")
            with st.popover("Copy link", icon=":material/link:"):
                st.caption("Anyone who may see this run can open it with this link.")
                st.code(_link(run_id), language=None, wrap_lines=True)
            st.download_button(
                "Export JSON",
                lambda: export.to_json(details_fields(details)).encode("utf-8", "backslashreplace"),
                file_name=f"run-{run_id}.json",
                mime="application/json",
                icon=":material/download:",
                on_click="ignore",
            )


def _show_step(label: str, icon: str, run_id: str | None, *, disabled: bool = False) -> None:
    st.button(label, icon=icon, disabled=disabled, on_click=listing.change_url, kwargs={listing.OPEN: run_id})


def _link(run_id: str) -> str:
    return f"{(st.context.url or '').split('?')[0]}?{listing.OPEN}={run_id}"


def _show_head(details: RunDetails) -> None:
    run = details.run
    st.header(f"Run of {escape(moment(run.created_at))}", divider="gray", anchor=False)
    with st.container(horizontal=True, vertical_alignment="center"):
        run_parts.show_status_badge(run)
        if run.verdict == "accepted":
            st.badge("Answer accepted", icon=":material/verified:", color="green")
        elif run.verdict == "refused":
            st.badge("Answer rejected", icon=":material/block:", color="red")
        agent.show_local_badge(run)
        run_parts.show_rehearsal_badge(run)
        run_parts.show_trial_badge(run)
        run_parts.show_insights_badge(run)
        for review in details.reviews:
            reviews.show_review_badge(review)
    for warning in run.warnings:
        st.caption(f":material/warning: {escape(warning)}")


def _show_figures(details: RunDetails) -> None:
    view = details.view
    figures.show_metrics(
        {
            "Accepted sentences" if details.run.task == INSIGHTS else "Matching values": _matched(details),
            "Tokens": view.total_tokens,
            "Cost": view.cost,
            "Whole run": view.total,
            "Agent call": view.call,
            "Provider time": view.provider,
            "Requests": str(details.run.attempts),
        }
    )


def _matched(details: RunDetails) -> str:
    found = details.trace
    if details.run.erased_at is not None:
        return "erased"
    if details.run.answer is None:
        return "no answer"
    readable = found.readable or found.sentences
    return f"{found.matched:,} of {found.values:,}" if readable else "not readable"


# -- what happened --------------------------------------------------------------------------------------


def _show_steps(details: RunDetails) -> None:
    run, view = details.run, details.view
    st.subheader("Steps", anchor=False)
    st.markdown("  \n".join(run_parts.step_lines(run)))
    if run.provider_ms is not None:
        st.caption(f"The provider took {view.provider} of the call, network and overhead {view.overhead}.")
    if run.status is RunStatus.IN_DOUBT:
        st.caption("The owner can resolve this on Sources or Batch.")


def _facts(details: RunDetails) -> dict[str, str]:
    run, view = details.run, details.view
    return {
        "Run and snapshot id" if run.makes_snapshot else "Run id": run.run_id,
        **({"Snapshot": run.subject} if run.task == INSIGHTS else {}),
        "Source": run.source_id,
        "User": run.user_id,
        "Run number of the source": f"{run.number:,}",
        "Agent": view.agent,
        "Model asked": run.model,
        "Model answered": view.answered_model,
        "Prompt version": run.prompt_version,
        "Request id": run.request_id or "unknown",
        "Prompt tokens": view.prompt_tokens,
        "Completion tokens": view.completion_tokens,
        "Cached tokens": view.cached_tokens,
        **view.reasoning,
        **view.usage_problem,
        "Created": moment(run.created_at),
        "Started": "not yet" if run.started_at is None else moment(run.started_at),
        "Ended": "not yet" if run.finished_at is None else moment(run.finished_at),
        "Store": run.store,
        **({} if run.batch_id is None else {"Batch": run.batch_id}),
    }


def _show_stored(services: Services, access: Access, details: RunDetails) -> None:
    """Draw what the store holds of the run now, for whoever may see that."""
    run = details.run
    own = run.user_id == access.user_id
    if run.store != services.store_name or (services.requires_sign_in and not own):
        st.caption("The source and the snapshot are in the owner's store and are not shown here.")
        return
    try:
        stored = read_stored(run, services.store(access))
    except SecondlookError as error:
        st.caption(f":material/warning: {escape(error.message)}")
        return
    if stored.source is None:
        st.caption(":material/warning: The source was deleted from the store.")
    else:
        user = {} if services.requires_sign_in or own else {"user": run.user_id}
        links.show_source_link(run.source_id, f"Source {stored.source.shown_name}", **user)
    if run.task == INSIGHTS:
        links.show_snapshot_link(run.subject)
    elif stored.snapshot:
        links.show_snapshot_link(run.run_id)
    elif run.status is RunStatus.DONE and run.makes_snapshot:
        st.caption(":material/warning: The snapshot was deleted from the store.")


def _show_calls(calls: Sequence[Call]) -> None:
    st.subheader("Requests", anchor=False)
    if not calls:
        st.caption("No request was sent.")
        return
    # Lines, not a table: a table that is wider than a phone cannot be scrolled by keyboard.
    st.markdown("\n".join(f"1. {_call_line(call)}" for call in calls))


def _call_line(call: Call) -> str:
    status = "" if call.http_status is None else f" ({call.http_status})"
    late = "" if call.counts or call.outcome != "answered" else ", too late to count"
    parts = [f"Sent {moment(call.sent_at)}", f"{_OUTCOMES[call.outcome]}{status}{late}"]
    if call.latency_ms is not None:
        parts.append(f"took {duration(call.latency_ms)}")
    if call.outcome == "answered":
        estimated = call.usage.estimated
        parts.append(f"{tokens(call.usage.total_tokens, estimated=estimated)} tokens")
        parts.append(f"cost {money(call.cost_usd, estimated=estimated)}")
    if call.request_id is not None:
        parts.append(f"request id {call.request_id}")
    error = "" if not call.error else f": **{escape(call.error)}**"
    return " · ".join(escape(part) for part in parts) + error
