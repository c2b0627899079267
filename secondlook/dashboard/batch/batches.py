"""A batch: what it would be, its beginning, and its state for as long as somebody looks."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Literal

import streamlit as st

from secondlook.dashboard import resources, session
from secondlook.dashboard.parts import body, links, panels
from secondlook.dashboard.parts.budgets import moment
from secondlook.dashboard.parts.problems import escape, show_error
from secondlook.domain.access import Access
from secondlook.domain.batches import Batch, BatchStatus
from secondlook.domain.bucket_rules import GENERATED, RUNNABLE
from secondlook.domain.runs import RunStatus
from secondlook.errors import SecondlookError
from secondlook.execution import batches
from secondlook.execution.batches import Forecast, Selection
from secondlook.ledger.budgets import SwitchedOff
from secondlook.services import Services
from secondlook.views.figures import money, roughly

_REFRESH_SECONDS = 1
_NEWS_SECONDS = 2
_IDLE_SECONDS = 30  # Streamlit may lose what a click has drawn where a tick comes right after it
_NEWS_SHOWN_SECONDS = 8
_SHOWN = 8
_LOOKED = "looked"
_BEGINNING = "beginning"
_KNOWN = "batches-known"
_NEWS = "news"
_MOVING = {BatchStatus.FILLING, BatchStatus.RUNNING}
_STATUS, _CONCURRENCY, _PER_MINUTE = "batch-status", "batch-concurrency", "batch-per-minute"

_CHOICES = {
    RUNNABLE: "Sources without a snapshot",
    GENERATED: "Sources with a snapshot: generate it again",
}
_CHOICE_CAPTIONS = (
    "Status “bucketed”",
    "Status “snapshot generated”: a new call for each, paid again; a second snapshot beside the first",
)
_REASONS: Mapping[str, str] = {
    "answer_rejected": "the answer broke a rule, and was not stored",
    "api_key_missing": "there was no key for the agent",
    "buckets_invalid": "the buckets break a rule",
    "buckets_missing": "there are no buckets",
    "not_enough_estimates": "too few estimates",
    "over_budget": "a budget was spent, or sending was off",
    "provider_error": "the provider refused it, or could not be reached",
    "source_not_bucketed": "the status allows no snapshot",
    "source_not_found": "the source is gone",
    "unsettled": "a run of the source was open or in doubt already",
}
_STATES: Mapping[str, str] = {
    RunStatus.QUEUED: "waiting",
    RunStatus.CALLING: "asking the agent",
    RunStatus.ANSWERED: "being checked and stored",
    RunStatus.DONE: "done",
    RunStatus.FAILED: "failed",
    RunStatus.IN_DOUBT: "in doubt",
    RunStatus.CANCELLED: "cancelled",
}


@dataclass
class _Looked:
    """A selection that somebody wants to know about, and what was found."""

    user_id: str
    selection: Selection
    found: Forecast | None = None


# -- beginning ------------------------------------------------------------------------------------------


def show_beginning(services: Services, access: Access) -> None:
    """Choose sources, look at what a batch of them would be, and confirm it once."""
    with st.container(border=True):
        st.radio(
            "Which sources",
            list(_CHOICES),
            format_func=_CHOICES.__getitem__,
            captions=_CHOICE_CAPTIONS,
            key=_STATUS,
            on_change=_forget,
        )
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.number_input(
                "At a time",
                min_value=1,
                max_value=256,
                value=services.settings.concurrency,
                key=_CONCURRENCY,
                width=160,
                help="Runs at a time, at the most. The provider's own limits are kept in any case.",
            )
            st.number_input(
                "Begun a minute",
                min_value=1,
                max_value=100_000,
                value=None,
                placeholder="no limit",
                key=_PER_MINUTE,
                width=160,
                help="Runs begun a minute, at the most. Empty: as many as there is room for.",
            )
            looked: _Looked | None = st.session_state.get(_LOOKED)
            found_out = looked is not None and looked.user_id == access.user_id
            st.button(
                "Look at them",
                type="secondary" if found_out else "primary",  # then the confirmation is what to press next
                icon=":material/search:",
                on_click=_look,
            )
        if looked is None or looked.user_id != access.user_id:
            st.caption("Looking costs nothing, and nothing is sent before you confirm.")
            return
        if looked.found is None:
            with st.spinner("Looking at every source…"):
                looked.found = batches.forecast(services, access, looked.selection)
        _show_forecast(services, access, looked.found)


def _look() -> None:
    selection = Selection(st.session_state[_STATUS])
    st.session_state[_LOOKED] = _Looked(session.require_access().user_id, selection)
    st.session_state.pop(_BEGINNING, None)


def _forget() -> None:
    st.session_state.pop(_LOOKED, None)


def _show_forecast(services: Services, access: Access, found: Forecast) -> None:
    allowance = batches.allowance(services, access, found)
    allowed = "all" if allowance.refusal is None else f"{allowance.calls:,}"
    figures = {
        "Sources": f"{found.sources:,}",
        "Can be run": f"{found.runnable:,}",
        "Tokens": f"≈ {found.tokens:,}",
        "Cost": money(found.cost_usd, estimated=found.cost_usd is not None),
        "Budgets allow": allowed,
    }
    panels.show_metrics(figures)
    left_out = [
        f":material/remove: {n:,} left out: {_reason(code)}" for code, n in found.refused.most_common()
    ]
    st.markdown("  \n".join(left_out))
    if not found.runnable:
        st.info("None of these sources can be run: choose the others above, or see what each one lacks.")
        links.show_sources_link("See the sources")
        return
    if allowance.refusal is not None:
        show_error(allowance.refusal)
        if allowance.calls:
            st.caption(f"The first {allowance.calls:,} would be sent; the others fail, and nothing is paid.")
    if services.asked_agent().local:
        st.caption("The offline agent answers: nothing is sent and nothing is paid.")
    st.button(
        _confirmation(found, found.runnable if allowance.refusal is None else allowance.calls),
        type="primary",
        icon=":material/auto_awesome:",
        disabled=allowance.calls == 0,
        on_click=_begin,
    )


def _confirmation(found: Forecast, sent: int) -> str:
    """What the button says, which is all that is asked: how many are sent, and about what that costs."""
    some = f"{sent:,} of {found.runnable:,}" if 0 < sent < found.runnable else f"{found.runnable:,}"
    noun = "snapshot" if found.runnable == 1 else "snapshots"
    if found.cost_usd is None:
        return f"Generate {some} {noun} for an unknown cost"
    cost = found.cost_usd * (sent or found.runnable) / found.runnable
    return f"Generate {some} {noun} for about {escape(money(cost, estimated=False))}"


def _reason(code: str) -> str:
    return _REASONS.get(code, escape(code))


def _begin() -> None:
    # Read here, not where the button was drawn: a number may come with the press that leaves its field.
    concurrency, per_minute = int(st.session_state[_CONCURRENCY]), st.session_state[_PER_MINUTE]
    access = session.require_access()
    looked: _Looked | None = st.session_state.pop(_LOOKED, None)
    if looked is None or looked.user_id != access.user_id:
        return  # pressed twice
    body.draw_whole()
    services = resources.services()
    st.session_state[_BEGINNING] = resources.runner().begin(
        lambda: batches.begin(
            services, access, looked.selection, concurrency=concurrency, per_minute=per_minute
        )
    )


# -- going on -------------------------------------------------------------------------------------------


def show_batches(services: Services, access: Access) -> None:
    """The user's newest batches, live for as long as one goes on by itself."""
    shown = _shown(services.batches.list(access.user_id, limit=_SHOWN))
    st.fragment(_show_batches, run_every=_REFRESH_SECONDS if shown.live else None)(shown)


@dataclass(frozen=True)
class _Shown:
    """What the rest of the page was drawn for: where it has changed, all of it is drawn anew."""

    batches: tuple[tuple[str, BatchStatus], ...]
    in_doubt: int
    beginning: bool
    moving: bool

    @property
    def live(self) -> bool:
        return self.moving or self.beginning


def _fills_here() -> bool:
    filling: Future[Batch] | None = st.session_state.get(_BEGINNING)
    return filling is not None and not filling.done()


def _shown(found: Sequence[Batch]) -> _Shown:
    return _Shown(
        batches=tuple((each.batch_id, each.status) for each in found),
        in_doubt=sum(each.counts.get(RunStatus.IN_DOUBT, 0) for each in found),
        beginning=_fills_here(),
        moving=any(_moves(each) for each in found),
    )


def _moves(each: Batch) -> bool:
    return each.status in _MOVING or _in_flight(each) > 0


def _in_flight(each: Batch) -> int:
    held = each.waiting if each.status is BatchStatus.PAUSED else 0
    return each.total - each.settled - held


def _show_batches(before: _Shown) -> None:
    access = session.require_access()
    found = resources.services().batches.list(access.user_id, limit=_SHOWN)
    if _shown(found) != before:
        st.rerun()
    _show_failed_beginning()
    if before.beginning and not any(each.status is BatchStatus.FILLING for each in found):
        st.caption(":material/pending: The batch is being begun…")
    open_ones = [each for each in found if _moves(each) or each.status is BatchStatus.PAUSED] or found[:1]
    for each in open_ones:
        _show_batch(each)
    older = [each for each in found if each not in open_ones]
    if older:
        with st.expander(f"Earlier batches ({len(older)})", type="compact"):
            for each in older:
                st.markdown(f"{escape(moment(each.created_at))} · {_title(each)} · {_counts(each)}")


def _show_failed_beginning() -> None:
    filling: Future[Batch] | None = st.session_state.get(_BEGINNING)
    error = filling.exception() if filling is not None and filling.done() else None
    if isinstance(error, SecondlookError):
        show_error(error)
    elif error is not None:
        st.error("The batch could not be filled. See `secondlook check`.")


_BADGES: Mapping[BatchStatus, tuple[str, str, Literal["blue", "gray", "green", "orange"]]] = {
    BatchStatus.FILLING: ("Being filled", ":material/playlist_add:", "blue"),
    BatchStatus.RUNNING: ("Running", ":material/play_arrow:", "blue"),
    BatchStatus.PAUSED: ("Paused", ":material/pause:", "orange"),
    BatchStatus.STOPPED: ("Stopped", ":material/stop:", "gray"),
    BatchStatus.ENDED: ("Finished", ":material/check:", "green"),
}


def _show_batch(each: Batch) -> None:
    label, icon, color = _BADGES[each.status]
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(
                f"**Batch of {each.total:,}**, begun {escape(moment(each.created_at))}", width="content"
            )
            st.badge(label, icon=icon, color=color)
        if each.total:
            st.progress(_ended(each) / each.total, _progress(each))
        _show_figures(each)
        lines = [_counts(each)]
        lines += [f":material/error: {n:,} failed: {_reason(code)}" for code, n in each.failures.items()]
        lines += [f":material/remove: {n:,} left out: {_reason(code)}" for code, n in each.skipped.items()]
        st.markdown("  \n".join(lines))
        _show_decisions(each)


def _show_figures(each: Batch) -> None:
    rate, left = each.per_minute_now, each.left_s
    figures = {
        "Rate": "unknown yet" if rate is None else f"{rate:,.0f} a minute",
        "Cost so far" if _moves(each) else "Cost": money(each.cost_usd, estimated=_offline()),
    }
    if left is not None:
        figures["Time left"] = f"about {roughly(left)}"
    panels.show_metrics(figures)


def _offline() -> bool:
    try:
        return resources.services().asked_agent().local
    except SecondlookError:
        return False


def _title(each: Batch) -> str:
    return f"{_BADGES[each.status][0].lower()}, {_progress(each)}"


def _progress(each: Batch) -> str:
    return f"{_ended(each):,} of {each.total:,} settled"


def _ended(each: Batch) -> int:
    """What a stop cancelled has not come to its end: it can be gone on with."""
    return each.ended if each.status is BatchStatus.STOPPED else each.settled


def _counts(each: Batch) -> str:
    parts = [f"{each.counts[state]:,} {words}" for state, words in _STATES.items() if each.counts.get(state)]
    return " · ".join(parts) or "Nothing is queued yet"


def _show_decisions(each: Batch) -> None:
    flying = _in_flight(each)
    if each.status in {BatchStatus.PAUSED, BatchStatus.STOPPED} and flying:
        st.caption(f"{flying:,} in flight still finish.")
    if each.status is BatchStatus.STOPPED:
        st.caption("What was not sent is cancelled.")
    if each.status is BatchStatus.FILLING:
        st.caption(
            "Nothing is sent before all runs are queued. Should whatever queues them have ended, "
            "go on with what is queued."
        )
    with st.container(horizontal=True):
        if each.status is BatchStatus.RUNNING:
            _decision(each, "Pause", ":material/pause:")
        if each.status is BatchStatus.PAUSED:
            _decision(each, "Go on", ":material/play_arrow:")
        if each.status is BatchStatus.STOPPED and each.counts.get(RunStatus.CANCELLED):
            _decision(
                each,
                "Go on with the rest",
                ":material/play_arrow:",
                help="Queues again what the stop cancelled, but for sources that had another run since.",
            )
        if each.status is BatchStatus.FILLING and not _fills_here():
            _decision(each, "Go on with what is queued", ":material/play_arrow:")
        if each.status in {BatchStatus.FILLING, BatchStatus.RUNNING, BatchStatus.PAUSED}:
            _decision(each, "Stop", ":material/stop:", help="Cancels what was not sent; the rest finishes.")


def _decision(each: Batch, label: str, icon: str, *, help: str | None = None) -> None:  # noqa: A002 -- as Streamlit names it
    st.button(
        label,
        icon=icon,
        key=f"{label}-{each.batch_id}",
        help=help,
        on_click=_decide,
        args=(label, each.batch_id),
    )


def _decide(label: str, batch_id: str) -> None:
    access, batches = session.require_access(), resources.services().batches
    decide = {"Pause": batches.pause, "Stop": batches.stop}.get(label, batches.resume)
    decide(batch_id, access.user_id)
    body.draw_whole()
    if decide == batches.resume:
        resources.runner().look_again()


# -- on every page --------------------------------------------------------------------------------------

_ENDS: Mapping[RunStatus, str] = {
    RunStatus.DONE: "A snapshot has been generated.",
    RunStatus.FAILED: "A run has failed.",
    RunStatus.IN_DOUBT: "A run is in doubt.",
}


def show_news(services: Services, access: Access, off: SwitchedOff | None) -> None:
    """Say on whichever page is open that a batch or a run has finished, whoever began it.

    Args:
        services: The parts to work with.
        access: Who looks at the page.
        off: What the page says of sending; it is drawn anew where somebody switches that.
    """
    live = _going_on(services, access).live
    with st.sidebar:
        # Another tab or a terminal may begin something: an idle page looks too, less often.
        st.fragment(_tell, run_every=_NEWS_SECONDS if live else _IDLE_SECONDS)(live, off)


@dataclass(frozen=True)
class _GoingOn:
    """What a user has under way, and what became of the newest batches."""

    user_id: str
    batches: Mapping[str, BatchStatus]
    runs: Mapping[str, str]

    @property
    def live(self) -> bool:
        return bool(self.runs) or not _MOVING.isdisjoint(self.batches.values())


def _going_on(services: Services, access: Access) -> _GoingOn:
    user = access.user_id
    return _GoingOn(user, services.batches.statuses(user), services.ledger.going_on(user))


def _tell(live: bool, off: SwitchedOff | None) -> None:
    access, services = session.require_access(), resources.services()
    there = _going_on(services, access)
    known: _GoingOn | None = st.session_state.get(_KNOWN)
    st.session_state[_KNOWN] = there
    # What ended before somebody came is no news.
    before = there if known is None or known.user_id != access.user_id else known
    news = [
        _of_batch(services.batches.get(batch_id, access.user_id))
        for batch_id, status in there.batches.items()
        if status is BatchStatus.ENDED and before.batches.get(batch_id) is not BatchStatus.ENDED
    ]
    here = st.query_params.get("source")  # a page that shows the run itself says so there
    gone = [run for run, source in before.runs.items() if run not in there.runs and source != here]
    news += [_ENDS.get(services.ledger.get(run_id, access.user_id).status, "") for run_id in gone]
    if any(news):
        st.session_state[_NEWS] = ("  \n".join(filter(None, news)), time.monotonic() + _NEWS_SHOWN_SECONDS)
    if there.live:
        st.caption(f":material/pending: {_say_going_on(there)}")
    text, until = st.session_state.get(_NEWS, ("", 0.0))
    if time.monotonic() < until:  # said again as long as it is news: a page drawn anew would drop it
        st.toast(text, icon=":material/notifications:", duration="long")
    elif live != there.live or off != services.budgets.switched_off():
        st.rerun()  # to look more or less often from now on, and to say what was switched


def _say_going_on(there: _GoingOn) -> str:
    moving = sum(status in _MOVING for status in there.batches.values())
    numbers = {"run": len(there.runs), "batch": moving}
    said = [f"{n:,} {name if n == 1 else _PLURALS[name]}" for name, n in numbers.items() if n]
    return f"Going on: {' and '.join(said)}"


_PLURALS = {"run": "runs", "batch": "batches"}


def _of_batch(ended: Batch) -> str:
    return f"A batch has finished: {ended.counts.get(RunStatus.DONE, 0):,} of {ended.total:,} done."
