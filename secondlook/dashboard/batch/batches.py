"""Batches: their progress, their figures, and what a person can decide about them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import streamlit as st

from secondlook.dashboard import resources, session
from secondlook.dashboard.batch.reasons import reason
from secondlook.dashboard.parts import body, figures
from secondlook.dashboard.parts.budgets import moment
from secondlook.dashboard.parts.problems import escape, show_error
from secondlook.domain.access import Access
from secondlook.domain.batches import Batch, BatchStatus
from secondlook.domain.runs import INSIGHTS, TRIAL, RunStatus
from secondlook.errors import SecondlookError
from secondlook.services import Services
from secondlook.views.figures import money, roughly
from secondlook.views.run import STATUS

_REFRESH_SECONDS = 1
_SHOWN = 8
NOT_STARTED = "batch-not-started"


def show_batches(services: Services, access: Access) -> None:
    """Draw the user's newest batches, live for as long as one of them goes on."""
    shown = _shown(services.batches.list(access.user_id, limit=_SHOWN))
    st.fragment(_show_batches, run_every=_REFRESH_SECONDS if shown.live else None)(shown)


@dataclass(frozen=True)
class _Shown:
    """What the rest of the page was drawn for; once it changes, the whole page is drawn again."""

    batches: tuple[tuple[str, BatchStatus], ...]
    unknown_outcomes: int
    stalled: int
    live: bool


def _is_stalled(each: Batch) -> bool:
    """Whether nobody goes on queueing a batch's runs."""
    return each.status is BatchStatus.FILLING and (
        each.stalled or resources.filler().has_failed(each.batch_id)
    )


def _shown(found: Sequence[Batch]) -> _Shown:
    return _Shown(
        batches=tuple((each.batch_id, each.status) for each in found),
        unknown_outcomes=sum(each.counts.get(RunStatus.IN_DOUBT, 0) for each in found),
        stalled=sum(_is_stalled(each) for each in found),
        live=any(each.moving for each in found),
    )


def _show_batches(before: _Shown) -> None:
    access = session.require_access()
    found = resources.services().batches.list(access.user_id, limit=_SHOWN)
    if _shown(found) != before:
        st.rerun()
    refusal: SecondlookError | None = st.session_state.get(NOT_STARTED)
    if refusal is not None:
        show_error(refusal)
    open_ones = [each for each in found if each.moving or each.status is BatchStatus.PAUSED] or found[:1]
    for each in open_ones:
        _show_batch(each)
    older = [each for each in found if each not in open_ones]
    if older:
        with st.expander(f"Earlier batches ({len(older)})", type="compact"):
            for each in older:
                st.markdown(f"{escape(moment(each.created_at))} · {_title(each)} · {_counts(each)}")


def _show_failed_filling(each: Batch) -> None:
    filler = resources.filler()
    error = filler.failure(each.batch_id)
    if error is not None:
        show_error(error)
    elif filler.has_failed(each.batch_id):
        st.error("The batch could not be started. Run `secondlook check`.")


_BADGES: Mapping[BatchStatus, tuple[str, str, Literal["blue", "gray", "green", "orange"]]] = {
    BatchStatus.FILLING: ("Preparing", ":material/playlist_add:", "blue"),
    BatchStatus.RUNNING: ("Running", ":material/play_arrow:", "blue"),
    BatchStatus.PAUSED: ("Paused", ":material/pause:", "orange"),
    BatchStatus.STOPPED: ("Stopped", ":material/stop:", "gray"),
    BatchStatus.ENDED: ("Finished", ":material/check:", "green"),
}


_NAMES: Mapping[str, str] = {TRIAL: "model trial", INSIGHTS: "insights"}
"""What a batch is called, by its task, where it makes no snapshots."""


def _show_batch(each: Batch) -> None:
    label, icon, color = _BADGES[each.status]
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            name = _NAMES.get(each.task or "", "batch")
            st.markdown(
                f"**{name.capitalize()} of {each.total:,}**, created {escape(moment(each.created_at))}",
                width="content",
            )
            st.badge(label, icon=icon, color=color)
        if each.total:
            st.progress(each.completed / each.total, _progress(each))
        _show_failed_filling(each)
        _show_figures(each)
        lines = [_counts(each)]
        lines += [f":material/error: {n:,} failed: {reason(code)}" for code, n in each.failures.items()]
        lines += [f":material/remove: {n:,} skipped: {reason(code)}" for code, n in each.skipped.items()]
        st.markdown("  \n".join(lines))
        _show_decisions(each)


def _show_figures(each: Batch) -> None:
    rate, left = each.per_minute_now, each.left_s
    shown = {
        "Rate": "not known yet" if rate is None else f"{rate:,.0f} per minute",
        "Cost so far" if each.moving else "Cost": money(each.cost_usd, estimated=_offline()),
    }
    if left is not None:
        shown["Time left"] = f"about {roughly(left)}"
    figures.show_metrics(shown)


def _offline() -> bool:
    try:
        return resources.services().asked_agent().local
    except SecondlookError:
        return False


def _title(each: Batch) -> str:
    name = _NAMES.get(each.task or "", "")
    return f"{name}{', ' if name else ''}{_BADGES[each.status][0].lower()}, {_progress(each)}"


def _progress(each: Batch) -> str:
    return f"{each.completed:,} of {each.total:,} finished"


def _counts(each: Batch) -> str:
    parts = [
        f"{each.counts[status]:,} {words.lower()}"
        for status, words in STATUS.items()
        if each.counts.get(status)
    ]
    return " · ".join(parts) or "No runs are queued yet"


# -- decisions ------------------------------------------------------------------------------------------


class Action(StrEnum):
    """What a person can do with a batch."""

    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"


@dataclass(frozen=True)
class Decision:
    """A button: what it does, and how it is labeled."""

    action: Action
    label: str
    icon: str
    help: str | None = None


PAUSE = Decision(Action.PAUSE, "Pause", ":material/pause:")
STOP = Decision(
    Action.STOP, "Stop", ":material/stop:", "Cancels runs that were not sent. Runs in flight finish."
)
RESUME = Decision(Action.RESUME, "Resume", ":material/play_arrow:")
RESUME_CANCELED = Decision(
    Action.RESUME,
    "Resume canceled runs",
    ":material/play_arrow:",
    "Queues the canceled runs again, except for sources that had another run since.",
)
START_QUEUED = Decision(Action.RESUME, "Start queued runs", ":material/play_arrow:")


def decisions(each: Batch, *, stalled: bool) -> Iterator[Decision]:
    """Yield what a person can decide about a batch now.

    Args:
        each: The batch.
        stalled: Whether nobody goes on queueing its runs.
    """
    if each.status is BatchStatus.RUNNING:
        yield PAUSE
    if each.status is BatchStatus.PAUSED:
        yield RESUME
    if each.status is BatchStatus.STOPPED and each.counts.get(RunStatus.CANCELLED):
        yield RESUME_CANCELED
    if stalled:
        yield START_QUEUED
    if each.status in {BatchStatus.FILLING, BatchStatus.RUNNING, BatchStatus.PAUSED}:
        yield STOP


def _show_decisions(each: Batch) -> None:
    if each.status in {BatchStatus.PAUSED, BatchStatus.STOPPED} and each.in_flight:
        st.caption(f"{each.in_flight:,} in flight will finish.")
    if each.status is BatchStatus.STOPPED:
        st.caption("Runs that were not sent are canceled.")
    if each.status is BatchStatus.FILLING:
        st.caption(
            "Nothing is sent before all runs are queued. If the process that queues them has ended, "
            "start the runs that are queued."
        )
    with st.container(horizontal=True):
        for decision in decisions(each, stalled=_is_stalled(each)):
            st.button(
                decision.label,
                icon=decision.icon,
                key=f"{decision.action}-{each.batch_id}",
                help=decision.help,
                on_click=decide,
                args=(decision.action, each.batch_id),
            )


def decide(action: Action, batch_id: str) -> None:
    """Act on one of the user's batches.

    Args:
        action: What to do.
        batch_id: The batch.
    """
    access, batches = session.require_access(), resources.services().batches
    if action is Action.PAUSE:
        batches.pause(batch_id, access.user_id)
    elif action is Action.STOP:
        batches.stop(batch_id, access.user_id)
    else:
        batches.resume(batch_id, access.user_id)
        resources.runner().look_again()
    body.draw_whole()
