"""What may be spent and what is, and the switch that stops all sending."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

import streamlit as st

from secondlook.dashboard import resources, session
from secondlook.dashboard.parts import body, tables
from secondlook.dashboard.parts.problems import escape
from secondlook.domain.access import Access
from secondlook.domain.batches import BatchStatus
from secondlook.ledger.budget_status import BudgetName, BudgetStatus
from secondlook.ledger.budgets import SwitchedOff
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
    """At the top of every page, where it is seen on a phone too: that nothing is sent."""
    if off is not None:
        st.error(
            f"**Sending is off** since {escape(moment(off.since))}, by {escape(off.by, limit=80)}. "
            "No call goes out to any agent; see the page Batch.",
            icon=":material/block:",
        )


def moment(at: str) -> str:
    """A time of the ledger as people read it."""
    return f"{at[:16].replace('T', ' ')} UTC"


def show_budgets(services: Services, access: Access) -> None:
    """The four budgets as figures, and the switch."""
    st.header("Budgets", anchor=False)
    st.fragment(_show_standings, run_every=_REFRESH_SECONDS if _spending(services, access) else None)()
    st.caption("A call counts when it is sent. Days and months are those of UTC.")
    _show_switch(services, access)


def _spending(services: Services, access: Access) -> bool:
    moving = {BatchStatus.FILLING, BatchStatus.RUNNING}
    return not moving.isdisjoint(services.batches.statuses(access.user_id).values())


def _show_standings() -> None:
    show_table(resources.services().budgets.standing(session.require_access().user_id))


def show_table(standings: Sequence[BudgetStatus]) -> None:
    """Budgets as a table."""
    st.table(  # pyright: ignore[reportUnknownMemberType] -- pyarrow has no types
        tables.of_rows([_row(standing) for standing in standings]), hide_index=True, border="horizontal"
    )


def _row(standing: BudgetStatus) -> dict[str, str]:
    limit, used = standing.limit, standing.used
    dollars = _used(money(standing.spent_usd, estimated=False), _dollars(standing.limit_usd))
    if used.reserved_nanousd:
        dollars += f"; {money(standing.reserved_usd, estimated=False)} under way"
    return {
        "Budget": _NAMES[standing.name],
        "Calls": _used(f"{used.calls:,}", None if limit.calls is None else f"{limit.calls:,}"),
        "Dollars": escape(dollars),
        "Ends": escape(moment(standing.ends_at)),
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
                "Switch all sending off",
                icon=":material/block:",
                disabled=not may,
                on_click=_switch,
                args=(False,),
                help="At once, for all users and processes. What is in flight finishes.",
            )
        else:
            st.badge("Sending is off", icon=":material/block:", color="red")
            sure = st.toggle("Calls may go out again", key=f"sending-{off.since}", disabled=not may)
            st.button("Switch sending on", disabled=not (may and sure), on_click=_switch, args=(True,))
    if not may:
        st.caption("Reviewers can switch sending off and on.")


def _switch(sending: bool) -> None:
    services, access = resources.services(), session.require_access()
    services.policy.check_reviewer(access, "switch sending off and on")
    services.budgets.switch(sending=sending, by=session.own_name())
    body.draw_whole()
