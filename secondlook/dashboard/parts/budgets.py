"""Budgets, what they have left, and the switch that stops all sending."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

import streamlit as st

from secondlook.dashboard import resources, session
from secondlook.dashboard.parts import arrow, body
from secondlook.dashboard.parts.problems import escape
from secondlook.domain.access import Access
from secondlook.domain.batches import BatchStatus
from secondlook.domain.budgets import BudgetName, BudgetStatus, SwitchedOff
from secondlook.services import Services
from secondlook.views.figures import money

_REFRESH_SECONDS = 2
_NAMES: Mapping[BudgetName, str] = {
    "user_day": "You, today",
    "user_month": "You, this month",
    "day": "All users, today",
    "month": "All users, this month",
}


def show_switched_off(off: SwitchedOff | None) -> None:
    """Draw at the top of every page that nothing is sent, where a phone shows it too."""
    if off is not None:
        st.error(
            f"**Sending is off** since {escape(moment(off.since))}, by {escape(off.by, limit=80)}. "
            "No agent is called. A reviewer can switch sending on, on the Batch page.",
            icon=":material/block:",
        )


def moment(at: str) -> str:
    """Return a time of the ledger as people read it."""
    return f"{at[:16].replace('T', ' ')} UTC"


def show_budgets(services: Services, access: Access) -> None:
    """Draw the four budgets and the switch."""
    st.header("Budgets", anchor=False)
    st.fragment(_show_statuses, run_every=_REFRESH_SECONDS if _spending(services, access) else None)()
    st.caption("A call counts on the day it is sent. Days and months are in UTC.")
    _show_switch(services, access)


def _spending(services: Services, access: Access) -> bool:
    moving = {BatchStatus.FILLING, BatchStatus.RUNNING}
    return not moving.isdisjoint(services.batches.statuses(access.user_id).values())


def _show_statuses() -> None:
    show_table(resources.services().budgets.standing(session.require_access().user_id))


def show_table(statuses: Sequence[BudgetStatus]) -> None:
    """Draw budgets as a table."""
    st.table(  # pyright: ignore[reportUnknownMemberType] -- pyarrow has no types
        arrow.of_rows([_row(status) for status in statuses]), hide_index=True, border="horizontal"
    )


def _row(status: BudgetStatus) -> dict[str, str]:
    limit, used = status.limit, status.used
    dollars = _used(money(status.spent_usd, estimated=False), _dollars(status.limit_usd))
    if used.reserved_nanousd:
        dollars += f"; {money(status.reserved_usd, estimated=False)} reserved"
    return {
        "Budget": _NAMES[status.name],
        "Calls": _used(f"{used.calls:,}", None if limit.calls is None else f"{limit.calls:,}"),
        "Dollars": escape(dollars),
        "Ends": escape(moment(status.ends_at)),
    }


def _used(used: str, limit: str | None) -> str:
    return f"{used}, no limit" if limit is None else f"{used} of {limit}"


def _dollars(dollars: Decimal | None) -> str | None:
    return None if dollars is None else f"${dollars:,.2f}"


def _show_switch(services: Services, access: Access) -> None:
    off = services.budgets.switched_off()
    may = services.policy.is_reviewer(access)
    with st.container(horizontal=True, vertical_alignment="center"):
        if off is None:
            st.badge("Sending is on", icon=":material/check:", color="green")
            st.button(
                "Stop all sending",
                icon=":material/block:",
                disabled=not may,
                on_click=_switch,
                args=(False,),
                help="Stops sending at once, for all users and processes. Calls in flight finish.",
            )
        else:
            st.badge("Sending is off", icon=":material/block:", color="red")
            sure = st.toggle("Confirm that calls may be sent", key=f"sending-{off.since}", disabled=not may)
            st.button("Resume sending", disabled=not (may and sure), on_click=_switch, args=(True,))
    if not may:
        st.caption("Only reviewers can stop or resume sending.")


def _switch(sending: bool) -> None:
    services, access = resources.services(), session.require_access()
    services.policy.check_reviewer(access, "stop or resume sending")
    services.budgets.switch(sending=sending, by=session.own_name())
    body.draw_whole()
