"""One run under the lens: what was sent, what came back, what was checked, and why it stands as it does."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Literal

import streamlit as st

from secondlook.dashboard import resources, session
from secondlook.dashboard.parts import links, panels, tables
from secondlook.dashboard.parts.budgets import moment
from secondlook.dashboard.parts.problems import escape, show_error, visible
from secondlook.dashboard.runs import listing
from secondlook.dashboard.sources import generate
from secondlook.domain.access import Access
from secondlook.domain.run_filter import RunFilter
from secondlook.domain.runs import Run, RunStatus
from secondlook.domain.usage import Usage
from secondlook.errors import NotSignedIn, SecondlookError
from secondlook.ledger.history import Call
from secondlook.ledger.reviews import MOST_NOTE, Review
from secondlook.pipeline.outcome import error_of, total_ms
from secondlook.services import Services
from secondlook.tasks.snapshot.trace import Cell, Check, Trace
from secondlook.views import export
from secondlook.views import run as run_view
from secondlook.views.figures import duration, money
from secondlook.views.run import RunDetails

MOST_SHOWN = 200_000
"""Characters of a text that are sent to the browser; the export has all of it."""

_REFRESH_SECONDS = 1
_ROW_PIXELS = 35
_MOST_ROWS = 12
_TEXT_PIXELS = 460
_SHORT = 600  # characters of a text that needs no scrolling
_SAID = "review-said"

Color = Literal["blue", "gray", "green", "orange", "red", "violet"]
_STATUS: Mapping[RunStatus, tuple[str, str, Color]] = {
    RunStatus.QUEUED: ("queued", ":material/hourglass:", "blue"),
    RunStatus.CALLING: ("asking the agent", ":material/pending:", "blue"),
    RunStatus.ANSWERED: ("being checked and stored", ":material/pending:", "blue"),
    RunStatus.DONE: ("done", ":material/check:", "green"),
    RunStatus.FAILED: ("failed", ":material/error:", "red"),
    RunStatus.IN_DOUBT: ("in doubt", ":material/help:", "orange"),
    RunStatus.CANCELLED: ("given up", ":material/remove_circle:", "gray"),
}
_MARKS = {
    "equal": "✓ equal",
    "any": "✓ any text",
    "differs": "✗ differs",
    "type": "✗ wrong type",
    "missing": "✗ missing",
    "extra": "✗ too much",
    "unread": "not read",
}
_OUTCOMES: Mapping[str | None, str] = {
    "answered": "answered",
    "not_processed": "certainly not processed",
    "refused": "refused",
    "unknown": "unknown: it may have been answered",
    None: "under way, or its process ended",
}


def show_run(services: Services, access: Access, run_id: str, wanted: RunFilter) -> None:
    """Draw a run; one that goes on is drawn anew when it has moved."""
    only = services.visible_user_id(access)
    seen = run_view.look(services.ledger, services.history, services.reviews, run_id, only=only)
    run = seen.run
    _show_ways(services, seen, wanted, only)
    _show_head(seen)
    if run.status.active:
        st.fragment(_watch, run_every=_REFRESH_SECONDS)(run.run_id, run.status)
    if run.error is not None:
        show_error(error_of(run))
    _show_figures(seen)
    if run.erased_at is not None:
        st.info(
            f"Its input, its request and its answer were erased on {escape(moment(run.erased_at))}. "
            "What they took is kept.",
            icon=":material/ink_eraser:",
        )
    left, right = st.columns([3, 2], gap="large")
    with left:
        _show_checks(seen)
    with right:
        _show_reviews(services, access, seen)
    if run.erased_at is None:
        _show_cells(seen.trace, answered=run.answer is not None)
    left, right = st.columns(2, gap="large")
    with left:
        _show_steps(run)
    with right:
        st.subheader("Facts", anchor=False)
        panels.show_facts(_facts(run))
        _show_left_behind(services, access, run)
    _show_calls(seen.calls)
    if run.erased_at is None:
        _show_texts(seen)


def _watch(run_id: str, before: RunStatus) -> None:
    services = resources.services()
    if services.ledger.get(run_id, services.visible_user_id(session.require_access())).status is not before:
        st.rerun()


# -- head -----------------------------------------------------------------------------------------------


def _show_ways(services: Services, seen: RunDetails, wanted: RunFilter, only: str | None) -> None:
    """Back to the list, along the list, and away with the run."""
    near = services.history.neighbours(seen.run.run_id, wanted, only=only)
    with st.container(horizontal=True, horizontal_alignment="distribute"):
        with st.container(horizontal=True, width="content"):
            _way("The list", ":material/arrow_back:", None)
            _way("Newer", ":material/keyboard_arrow_up:", near.newer, leads=near.newer is not None)
            _way("Older", ":material/keyboard_arrow_down:", near.older, leads=near.older is not None)
        with st.container(horizontal=True, width="content"):
            with st.popover("Copy link", icon=":material/link:"):
                st.caption("Opens this run for whoever may see it.")
                st.code(_link(seen.run.run_id), language=None, wrap_lines=True)
            st.download_button(
                "Export JSON",
                lambda: export.to_json(run_view.fields(seen)).encode("utf-8", "backslashreplace"),
                file_name=f"run-{seen.run.run_id}.json",
                mime="application/json",
                icon=":material/download:",
                on_click="ignore",
            )


def _way(label: str, icon: str, run_id: str | None, *, leads: bool = True) -> None:
    st.button(
        label, icon=icon, disabled=not leads, on_click=listing.change_url, kwargs={listing.OPEN: run_id}
    )


def _link(run_id: str) -> str:
    return f"{(st.context.url or '').split('?')[0]}?{listing.OPEN}={run_id}"


def _show_head(seen: RunDetails) -> None:
    run = seen.run
    st.header(f"Run of {escape(moment(run.created_at))}", divider="gray", anchor=False)
    words, icon, color = _STATUS[run.status]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge(words, icon=icon, color=color)
        if seen.verdict != "none":
            accepted = seen.verdict == "accepted"
            st.badge(
                f"answer {seen.verdict}",
                icon=":material/verified:" if accepted else ":material/block:",
                color="green" if accepted else "red",
            )
        if run.agent == "offline":
            st.badge("Offline agent", icon=":material/cloud_off:", color="orange")
        generate.show_mark(run)
        for review in seen.reviews:
            _show_word(review)
    for warning in run.warnings:
        st.caption(f":material/warning: {escape(warning)}")


def _show_figures(seen: RunDetails) -> None:
    run = seen.run
    usage = run.usage
    figures = {
        "Values that match": _matched(seen),
        "Tokens": _tokens(usage.total_tokens, usage) if run.answered else "none",
        "Cost": money(run.cost_usd, estimated=usage.estimated) if run.answered else "none known",
        "Whole run": duration(total_ms(run)),
        "The call": "unknown" if run.latency_ms is None else duration(run.latency_ms),
        "Provider's own time": "unknown" if run.provider_ms is None else duration(run.provider_ms),
        "Requests": str(run.attempts),
    }
    panels.show_metrics(figures)


def _matched(seen: RunDetails) -> str:
    found = seen.trace
    if seen.run.erased_at is not None:
        return "erased"
    if seen.run.answer is None:
        return "no answer"
    return f"{found.matched:,} of {found.values:,}" if found.readable else "not readable"


def _tokens(count: int | None, usage: Usage) -> str:
    if count is None:
        return "unknown"
    return f"{'≈ ' if usage.estimated else ''}{count:,}"


# -- verdict --------------------------------------------------------------------------------------------


def _show_checks(seen: RunDetails) -> None:
    """Every rule with what became of it."""
    st.subheader("Verdict", anchor=False)
    found = seen.trace
    if seen.run.erased_at is not None:
        st.caption(f"The answer was {seen.verdict}." if seen.run.answered else "No answer came.")
        return
    if seen.run.answer is None:
        st.caption(f"No answer came: none of the {len(found.checks)} rules was reached.")
        return
    passed = sum(check.state == "passed" for check in found.checks)
    st.caption(f"{passed} of {len(found.checks)} rules hold, in the order in which they are checked")
    st.markdown("  \n".join(_check_line(check) for check in found.checks))


def _check_line(check: Check) -> str:
    words = escape(check.rule.words)
    if check.state == "passed":
        return f":green[:material/check_circle:] {words}"
    if check.state == "not_reached":
        return f":gray[:material/radio_button_unchecked: {words} · not reached]"
    where = f" at **{escape(check.path)}**" if check.path else ""
    return f":red[:material/cancel:] **{words}** · failed: {escape(check.reason or '')}{where}"


def _show_cells(found: Trace, *, answered: bool) -> None:
    """Every value of input and answer side by side, those that differ first."""
    st.subheader("Input and answer, value by value", anchor=False)
    if not answered:
        st.caption("No answer came: this is what was sent.")
    elif not found.readable:
        st.caption("The answer is not readable as JSON: its text is below, as it came.")
    elif found.differing:
        cut = ", and the answer holds still more, which is in its text" if found.cut else ""
        one = found.differing == 1
        words = "value does not match**; it comes first" if one else "values do not match**; they come first"
        st.markdown(f":red[:material/cancel: **{found.differing:,} {words}{cut}.]")
    else:
        st.markdown(":green[:material/check_circle: **Every value matches**, in its place and of its type.]")
    if found.findings:
        st.markdown("\n".join(f"- {escape(finding)}" for finding in found.findings))
    shown = min(len(found.cells), _MOST_ROWS)
    st.dataframe(  # pyright: ignore[reportUnknownMemberType] -- pyarrow has no types
        tables.of_rows([_cell_row(cell) for cell in found.cells]),
        hide_index=True,
        height=_ROW_PIXELS * (shown + 1) + 3,
        placeholder="none",
        column_config=_CELL_COLUMNS,
        key="cells",
        alt="Each value that was sent next to the one that came back",
    )


_CELL_COLUMNS = {
    "Match": st.column_config.TextColumn(width=100),
    "Value": st.column_config.TextColumn(width=120),
    "Sent": st.column_config.TextColumn(width=85),
    "Came back": st.column_config.TextColumn(width=110),
    "Where": st.column_config.TextColumn(width=330),
}


def _cell_row(cell: Cell) -> dict[str, str | None]:
    return {
        "Match": _MARKS[cell.mark],
        "Value": f"{cell.entry} {cell.name}".strip(),
        "Sent": cell.sent,
        "Came back": cell.came,
        "Where": cell.path,
    }


# -- what happened --------------------------------------------------------------------------------------


def _show_steps(run: Run) -> None:
    st.subheader("Steps", anchor=False)
    st.markdown("  \n".join(generate.step_lines(run)))
    if run.latency_ms is not None and run.provider_ms is not None:
        own = duration(max(0, run.latency_ms - run.provider_ms))
        st.caption(
            f"Of the call, {duration(run.provider_ms)} were the provider's own time; "
            f"{own} went on the way and into keeping the answer."
        )
    if run.status is RunStatus.IN_DOUBT:
        st.caption("Whose run it is settles it on the page Sources or Batch.")


def _facts(run: Run) -> dict[str, str]:
    usage = run.usage
    return {
        "Run and snapshot id": run.run_id,
        "Source": run.source_id,
        "User": run.user_id,
        "Run of its source": f"number {run.number:,}",
        "Model asked": run.model,
        "Model answered": run.answered_model or "unknown",
        "Prompt version": run.prompt_version,
        "Provider's request id": run.request_id or "unknown",
        "Prompt, completion, cached tokens": ", ".join(
            _tokens(count, usage)
            for count in (usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens)
        ),
        "Created": moment(run.created_at),
        "Begun": "not yet" if run.started_at is None else moment(run.started_at),
        "Ended": "not yet" if run.finished_at is None else moment(run.finished_at),
        "Store": run.store,
        **({} if run.batch_id is None else {"Batch": run.batch_id}),
    }


def _show_left_behind(services: Services, access: Access, run: Run) -> None:
    """What the store holds of it now, for whoever may see that."""
    own = run.user_id == access.user_id
    if run.store != services.store_name or (services.requires_sign_in and not own):
        st.caption("Its source and snapshot lie in its owner's store and are not shown here.")
        return
    try:
        left = run_view.left_behind(run, services.store(access))
    except SecondlookError as error:
        st.caption(f":material/warning: {escape(error.message)}")
        return
    if left.source is None:
        st.caption(":material/warning: Its source is gone from the store.")
    else:
        user = {} if services.requires_sign_in or own else {"user": run.user_id}
        links.show_source_link(run.source_id, f"Source {left.source.shown_name}", **user)
    if left.snapshot:
        links.show_snapshot_link(run.run_id)
    elif run.status is RunStatus.DONE:
        st.caption(":material/warning: Its snapshot is gone from the store.")


def _show_calls(calls: Sequence[Call]) -> None:
    st.subheader("Requests", anchor=False)
    if not calls:
        st.caption("Nothing was sent.")
        return
    # Lines, not a table: a table that is wider than a phone cannot be scrolled by keyboard.
    st.markdown("\n".join(f"1. {_call_line(call)}" for call in calls))


def _call_line(call: Call) -> str:
    status = "" if call.http_status is None else f" ({call.http_status})"
    late = "" if call.counts or call.outcome != "answered" else ", too late to count"
    parts = [f"sent {moment(call.sent_at)}", f"{_OUTCOMES[call.outcome]}{status}{late}"]
    if call.latency_ms is not None:
        parts.append(f"took {duration(call.latency_ms)}")
    if call.outcome == "answered":
        parts.append(f"tokens {_tokens(call.usage.total_tokens, call.usage)}")
        parts.append(f"cost {money(call.cost_usd, estimated=call.usage.estimated)}")
    if call.request_id is not None:
        parts.append(f"request id {call.request_id}")
    error = "" if not call.error else f": **{escape(call.error)}**"
    return " · ".join(escape(part) for part in parts) + error


def _show_texts(seen: RunDetails) -> None:
    """The exact request and the raw answer, each drawn when it is opened."""
    st.subheader("Exactly what was sent and what came back", anchor=False)
    run = seen.run
    _show_text("The request", "request", json.dumps(run.request, indent=2, ensure_ascii=False))
    if run.answer is None:
        st.caption("No answer was kept.")
        return
    if seen.trace.text:
        _show_text("The answer's text", "text", seen.trace.text)
    _show_text("The answer's whole body", "body", run.answer)


def _show_text(label: str, key: str, text: str) -> None:
    panel = st.expander(f"{label}: {len(text):,} characters", key=f"text-{key}", on_change="rerun")
    if not panel.open:
        return
    # The buttons lie inside: by keyboard, a part of a page can only be scrolled where it holds a focus.
    with panel, st.container(height=_TEXT_PIXELS if len(text) > _SHORT else "content", border=False):
        st.download_button(
            "Download it",
            lambda: text.encode("utf-8", "backslashreplace"),
            file_name=f"{key}.txt",
            mime="text/plain",
            icon=":material/download:",
            on_click="ignore",
            key=f"download-{key}",
        )
        if len(text) > MOST_SHOWN:
            st.caption(f"Its first {MOST_SHOWN:,} characters; the download has all of it.")
        # No colours of a language: on a light ground they have too little contrast.
        st.code(visible(text, MOST_SHOWN), language=None, wrap_lines=True)


# -- reviews --------------------------------------------------------------------------------------------


def _show_word(review: Review) -> None:
    word = "passed" if review.passed else "failed"
    st.badge(
        f"{word} by {escape(review.reviewer, limit=40)}",
        icon=":material/thumb_up:" if review.passed else ":material/thumb_down:",
        color="green" if review.passed else "red",
    )


def _show_reviews(services: Services, access: Access, seen: RunDetails) -> None:
    """What reviewers say of it, and for a reviewer the place to say it."""
    st.subheader("Review", anchor=False)
    said: str | None = st.session_state.pop(_SAID, None)
    if said is not None:
        st.toast(said, icon=":material/rate_review:")
    for review in seen.reviews:
        with st.container(border=True):
            with st.container(horizontal=True, vertical_alignment="center"):
                _show_word(review)
                st.caption(escape(moment(review.reviewed_at)), width="content")
            if review.note:
                st.markdown("  \n".join(escape(line, limit=MOST_NOTE) for line in review.note.splitlines()))
    if not services.reviews_runs(access):
        if not seen.reviews:
            st.caption("No reviewer has looked at it yet.")
        return
    own = next((review for review in seen.reviews if review.reviewer_id == access.user_id), None)
    _show_form(seen.run.run_id, own)


def _show_form(run_id: str, own: Review | None) -> None:
    word, note = f"word-{run_id}", f"note-{run_id}"
    with st.form(f"review-{run_id}", border=False):
        st.radio(
            "Your word on it",
            (True, False),
            format_func=lambda passed: "Pass" if passed else "Fail",
            index=None if own is None else (True, False).index(own.passed),
            horizontal=True,
            key=word,
        )
        st.text_area(
            "Note",
            value="" if own is None else own.note,
            key=note,
            max_chars=MOST_NOTE,
            height=90,
            placeholder="Why",
        )
        st.form_submit_button(
            "Save", icon=":material/rate_review:", on_click=_say, args=(run_id, word, note), type="primary"
        )
    if own is not None:
        st.button("Take it back", on_click=_take_back, args=(run_id,))


def _reviewer(run_id: str) -> Access:
    """Who reviews, and may see the run, looked at anew: a press may come after a session's end."""
    services, access = resources.services(), session.require_access()
    if not services.reviews_runs(access):
        raise NotSignedIn("Only reviewers can review runs", hint="Ask a reviewer.")
    services.ledger.get(run_id)
    return access


def _say(run_id: str, word: str, note: str) -> None:
    access = _reviewer(run_id)
    passed: bool | None = st.session_state[word]
    if passed is None:
        st.session_state[_SAID] = "Choose Pass or Fail first; nothing was saved"
        return
    resources.services().reviews.say(
        run_id,
        access.user_id,
        reviewer=session.own_name(),
        passed=passed,
        note=str(st.session_state[note] or ""),
    )
    st.session_state[_SAID] = f"Saved: the run {'passes' if passed else 'fails'}"


def _take_back(run_id: str) -> None:
    resources.services().reviews.take_back(run_id, _reviewer(run_id).user_id)
    st.session_state[_SAID] = "Taken back"
