"""Runs that want a person: in doubt, to be settled one by one or together; and those that failed lately."""

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

_SHOWN = 20
_FAILED = 10
_NAMES = "source-names"
_SETTLED = "settled"


def show_unknown_outcomes(services: Services, access: Access) -> None:
    """The user's runs in doubt; nothing where there are none."""
    settled: str | None = st.session_state.pop(_SETTLED, None)
    if settled is not None:
        st.toast(settled, icon=":material/done_all:")
    found = services.ledger.list(access.user_id, status=RunStatus.IN_DOUBT, limit=_SHOWN + 1)
    if not found:
        return
    st.header("In doubt", anchor=False)
    st.warning(
        "**Nobody knows whether these were answered.** Each may have been paid for already: to send it "
        "again may pay for the same snapshot twice. An answer that still comes settles its run by itself.",
        icon=":material/help:",
    )
    shown = found[:_SHOWN]
    sure = st.toggle("I know that each may be paid twice", key="twice")
    _show_together(shown, sure=sure)
    for run in shown:
        _show_doubt(run, _name(services, access, run.source_id), sure=sure)
    if len(found) > _SHOWN:
        st.caption(f"The newest {_SHOWN} are shown; the others follow when these are settled.")


def show_failed(services: Services, access: Access) -> None:
    """What failed lately, in batches or not, each with its reason and its source; read when asked for."""
    if not st.toggle("Show runs that failed lately", key="failed"):
        return
    found = services.ledger.list(access.user_id, status=RunStatus.FAILED, limit=_FAILED)
    if not found:
        st.caption("None has failed.")
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
            st.markdown(f"{escape(error.message)}  \n{escape(moment(run.finished_at or run.created_at))}")
            if error.hint:
                st.caption(escape(error.hint))
    if len(found) == _FAILED:
        st.caption(f"The newest {_FAILED}; `secondlook runs --status failed` lists all.")


def _show_together(shown: Sequence[Run], *, sure: bool) -> None:
    ticked = [run.run_id for run in shown if st.session_state.get(_tick(run), False)]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Tick all", icon=":material/select_all:", on_click=_tick_all, args=(shown,))
        st.button(
            f"Send {len(ticked)} ticked again" if ticked else "Send ticked again",
            key="resend-ticked",
            disabled=not (sure and ticked),
            on_click=_resend,
            args=(ticked,),
        )
        st.button(
            f"Give {len(ticked)} ticked up" if ticked else "Give ticked up",
            key="cancel-ticked",
            disabled=not ticked,
            on_click=_cancel,
            args=(ticked,),
        )


def _show_doubt(run: Run, name: str, *, sure: bool) -> None:
    with st.container(border=True):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.checkbox(f"**{escape(name, limit=120)}**", key=_tick(run))
            with st.container(horizontal=True, width="content"):
                st.button(
                    "Send again",
                    key=f"resend-{run.run_id}",
                    disabled=not sure,
                    on_click=_resend,
                    args=([run.run_id],),
                )
                st.button("Give it up", key=f"cancel-{run.run_id}", on_click=_cancel, args=([run.run_id],))
        requests = f"{run.attempts} request{'' if run.attempts == 1 else 's'} sent"
        since = "not known" if run.started_at is None else moment(run.started_at)
        st.markdown(
            f"{escape(error_of(run).message)}  \n"
            f"Since {escape(since)} · {requests} to {escape(run.model)} · may be paid twice"
        )
        st.caption(f"Source {escape(run.source_id)} · run {escape(run.run_id)}")


def _tick(run: Run) -> str:
    return f"tick-{run.run_id}"


def _tick_all(shown: Sequence[Run]) -> None:
    for run in shown:
        st.session_state[_tick(run)] = True


def _name(services: Services, access: Access, source_id: str) -> str:
    """The source's name, read once a session."""
    names: dict[tuple[str, str], str] = st.session_state.setdefault(_NAMES, {})
    key = (access.user_id, source_id)
    if key not in names:
        record = services.store(access).load(source_id, access.user_id)
        names[key] = "A source that is gone" if record is None else record.source.shown_name
    return names[key]


def _resend(run_ids: Sequence[str]) -> None:
    access = session.require_access()
    for run_id in run_ids:
        run = resources.services().ledger.resend(run_id, access.user_id)
        resources.runner().start(run.run_id, in_batch=run.batch_id is not None)
    _finished(len(run_ids), "sent again")


def _cancel(run_ids: Sequence[str]) -> None:
    access = session.require_access()
    for run_id in run_ids:
        resources.services().ledger.cancel(run_id, access.user_id)
    _finished(len(run_ids), "given up")


def _finished(number: int, what: str) -> None:
    body.draw_whole()
    st.session_state["twice"] = False  # each time anew
    st.session_state[_SETTLED] = f"{number} run{'' if number == 1 else 's'} {what}"
