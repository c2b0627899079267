"""Runs that need a person: those whose outcome is unknown, and those that failed recently."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from secondlook.dashboard import PAGES, resources, session
from secondlook.dashboard.parts import body
from secondlook.dashboard.parts.budgets import moment
from secondlook.dashboard.parts.problems import escape
from secondlook.domain.access import Access
from secondlook.domain.runs import Run, RunStatus
from secondlook.pipeline.outcome import error_of
from secondlook.services import Services
from secondlook.views.snapshot import SOURCE_GONE

_SHOWN = 20
_FAILED = 10
_NAMES = "source-names"
_RESOLVED = "resolved"


def show_unknown_outcomes(services: Services, access: Access) -> None:
    """Draw the user's runs whose outcome is unknown, where there are any."""
    resolved: str | None = st.session_state.pop(_RESOLVED, None)
    if resolved is not None:
        st.toast(resolved, icon=":material/done_all:")
    found = services.ledger.list(access.user_id, status=RunStatus.IN_DOUBT, limit=_SHOWN + 1)
    if not found:
        return
    st.header("Outcome unknown", anchor=False)
    st.warning(
        "**The provider has not confirmed whether it processed these requests.** Retrying may charge you "
        "twice. A late answer still resolves its run.",
        icon=":material/help:",
    )
    shown = found[:_SHOWN]
    sure = st.toggle("I accept that I may be charged twice", key="twice")
    _show_together(shown, sure=sure)
    for run in shown:
        _show_unknown_outcome(run, _name(services, access, run.source_id), sure=sure)
    if len(found) > _SHOWN:
        st.caption(f"The newest {_SHOWN} are shown. The others follow when these are resolved.")


def show_failed(services: Services, access: Access) -> None:
    """Draw runs that failed recently, each with its reason and source, where somebody asks for them."""
    if not st.toggle("Show recently failed runs", key="failed"):
        return
    found = services.ledger.list(access.user_id, status=RunStatus.FAILED, limit=_FAILED)
    if not found:
        st.caption("No run has failed.")
    for run in found:
        with st.container(border=True):
            name = _name(services, access, run.source_id)
            st.page_link(
                PAGES / "sources.py",
                label=f"**{escape(name, limit=120)}**",
                icon=":material/table_rows:",
                query_params={"source": run.source_id, **session.in_url()},
            )
            error = error_of(run)
            when = escape(moment(run.finished_at or run.created_at))
            what = "" if run.makes_snapshot else f" · {escape(run.task)} run"
            st.markdown(f"{escape(error.message)}  \n{when}{what}")
            if error.hint:
                st.caption(escape(error.hint))
    if len(found) == _FAILED:
        st.caption(f"The newest {_FAILED} are shown. `secondlook runs --status failed` lists all.")


def _show_together(shown: Sequence[Run], *, sure: bool) -> None:
    selected = [run.run_id for run in shown if st.session_state.get(_selected(run), False)]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Select all", icon=":material/select_all:", on_click=_select_all, args=(shown,))
        st.button(
            f"Retry {len(selected)} selected" if selected else "Retry selected",
            key="resend-selected",
            disabled=not (sure and selected),
            on_click=_resend,
            args=(selected,),
        )
        st.button(
            f"Cancel {len(selected)} selected" if selected else "Cancel selected",
            key="cancel-selected",
            disabled=not selected,
            on_click=_cancel,
            args=(selected,),
        )


def _show_unknown_outcome(run: Run, name: str, *, sure: bool) -> None:
    with st.container(border=True):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.checkbox(f"**{escape(name, limit=120)}**", key=_selected(run))
            with st.container(horizontal=True, width="content"):
                st.button(
                    "Retry",
                    key=f"resend-{run.run_id}",
                    disabled=not sure,
                    on_click=_resend,
                    args=([run.run_id],),
                )
                st.button("Cancel run", key=f"cancel-{run.run_id}", on_click=_cancel, args=([run.run_id],))
        requests = f"{run.attempts} request{'' if run.attempts == 1 else 's'} sent"
        since = "an unknown time" if run.started_at is None else moment(run.started_at)
        st.markdown(
            f"{escape(error_of(run).message)}  \nSince {escape(since)} · {requests} to {escape(run.model)} "
        )
        what = "run" if run.makes_snapshot else f"{escape(run.task)} run"
        st.caption(f"Source {escape(run.source_id)} · {what} {escape(run.run_id)}")


def _selected(run: Run) -> str:
    return f"selected-{run.run_id}"


def _select_all(shown: Sequence[Run]) -> None:
    for run in shown:
        st.session_state[_selected(run)] = True


def _name(services: Services, access: Access, source_id: str) -> str:
    """Return the source's name, read once a session."""
    names: dict[tuple[str, str], str] = st.session_state.setdefault(_NAMES, {})
    key = (access.user_id, source_id)
    if key not in names:
        record = services.store(access).load(source_id, access.user_id)
        names[key] = SOURCE_GONE if record is None else record.source.shown_name
    return names[key]


def _resend(run_ids: Sequence[str]) -> None:
    access = session.require_access()
    for run_id in run_ids:
        run = resources.services().ledger.resend(run_id, access.user_id)
        resources.runner().start(run.run_id, in_batch=run.batch_id is not None)
    _report(len(run_ids), "retried")


def _cancel(run_ids: Sequence[str]) -> None:
    access = session.require_access()
    for run_id in run_ids:
        resources.services().ledger.cancel(run_id, access.user_id)
    _report(len(run_ids), "canceled")


def _report(number: int, what: str) -> None:
    body.draw_whole()
    st.session_state["twice"] = False  # each time anew
    st.session_state[_RESOLVED] = f"{number} run{'' if number == 1 else 's'} {what}"
