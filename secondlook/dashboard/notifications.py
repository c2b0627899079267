"""Notifications on every page: a run or a batch has finished, whoever started it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import streamlit as st

from secondlook.dashboard import resources, session
from secondlook.domain.access import Access
from secondlook.domain.batches import Batch, BatchStatus
from secondlook.domain.budgets import SwitchedOff
from secondlook.domain.runs import INSIGHTS, Run, RunStatus
from secondlook.services import Services

_LIVE_SECONDS = 2
_IDLE_SECONDS = 30  # Streamlit may lose what a click has drawn where a tick comes right after it
_SHOWN_SECONDS = 8
_KNOWN = "batches-known"
_NEWS = "news"
_MOVING = {BatchStatus.FILLING, BatchStatus.RUNNING}
_ENDS: Mapping[RunStatus, str] = {
    RunStatus.DONE: "Snapshot saved.",
    RunStatus.FAILED: "A run failed.",
    RunStatus.IN_DOUBT: "The outcome of a run is unknown.",
}


def show_notifications(services: Services, access: Access, off: SwitchedOff | None) -> None:
    """Draw in the sidebar what is running, and tell what has finished.

    Args:
        services: The parts to work with.
        access: Who looks at the page.
        off: That sending is off, as the page shows it; the page is drawn again when that changes.
    """
    live = _running(services, access).live
    with st.sidebar:
        # Another tab or a terminal may start something, so an idle page looks too, less often.
        st.fragment(_notify, run_every=_LIVE_SECONDS if live else _IDLE_SECONDS)(live, off)


@dataclass(frozen=True)
class _Running:
    """A user's active runs, and the status of the newest batches."""

    user_id: str
    batches: Mapping[str, BatchStatus]
    runs: Mapping[str, str]

    @property
    def live(self) -> bool:
        return bool(self.runs) or not _MOVING.isdisjoint(self.batches.values())


def _running(services: Services, access: Access) -> _Running:
    user = access.user_id
    return _Running(user, services.batches.statuses(user), services.ledger.going_on(user))


def _notify(live: bool, off: SwitchedOff | None) -> None:
    access, services = session.require_access(), resources.services()
    there = _running(services, access)
    known: _Running | None = st.session_state.get(_KNOWN)
    st.session_state[_KNOWN] = there
    # What ended before the user came is no news.
    before = there if known is None or known.user_id != access.user_id else known
    news = [
        _of_batch(services.batches.get(batch_id, access.user_id))
        for batch_id, status in there.batches.items()
        if status is BatchStatus.ENDED and before.batches.get(batch_id) is not BatchStatus.ENDED
    ]
    here = st.query_params.get("source")  # a page that shows the run itself says so there
    gone = [run for run, source in before.runs.items() if run not in there.runs and source != here]
    news += [_of_run(services.ledger.get(run_id, access.user_id)) for run_id in gone]
    if any(news):
        st.session_state[_NEWS] = ("  \n".join(filter(None, news)), time.monotonic() + _SHOWN_SECONDS)
    if there.live:
        st.caption(f":material/pending: {_describe(there)}")
    text, until = st.session_state.get(_NEWS, ("", 0.0))
    if time.monotonic() < until:  # drawn each time: a page that is drawn again would drop it
        st.toast(text, icon=":material/notifications:", duration="long")
    elif live != there.live or off != services.budgets.switched_off():
        st.rerun()  # to look more or less often from now on, and to show the switch


def _describe(there: _Running) -> str:
    moving = sum(status in _MOVING for status in there.batches.values())
    numbers = {"run": len(there.runs), "batch": moving}
    parts = [f"{n:,} {name if n == 1 else _PLURALS[name]}" for name, n in numbers.items() if n]
    return f"Running: {' and '.join(parts)}"


_PLURALS = {"run": "runs", "batch": "batches"}


def _of_run(ended: Run) -> str:
    if ended.status is RunStatus.DONE and ended.task == INSIGHTS:
        return "Insights ready."
    return _ENDS.get(ended.status, "")


def _of_batch(ended: Batch) -> str:
    done = f"{ended.counts.get(RunStatus.DONE, 0):,} of {ended.total:,}"
    return f"Model trial finished: {done} answers exact." if ended.trial else f"Batch finished: {done} done."
