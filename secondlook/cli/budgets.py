"""`secondlook budget` and `switch`: budgets, and whether anything may be sent at all."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from secondlook.cli.arguments import Commands, add_user, user_of
from secondlook.cli.printing import print_json, print_table
from secondlook.domain.untrusted_text import one_line

if TYPE_CHECKING:
    from secondlook.services import Services

POSITION = 70


def add(commands: Commands) -> None:
    """Add the commands.

    Args:
        commands: Those of the program.
    """
    add_user(commands.add("budget", _budget, "Show budgets and what is spent of them."))

    switch = commands.add("switch", _switch, "Stop or resume all sending, for all processes.")
    switch.add_argument(
        "sending", choices=("on", "off", "status"), help="status only shows whether sending is on"
    )


def _budget(args: argparse.Namespace) -> int:
    from secondlook.services import connect
    from secondlook.views.figures import money
    from secondlook.views.usage import budget_status_fields

    services = connect()
    statuses = services.budgets.standing(user_of(args, services))
    if args.json:
        print_json([budget_status_fields(status) for status in statuses])
        return 0

    def of(limit: str | None) -> str:
        return "no limit" if limit is None else limit

    print_table(
        ("BUDGET", "CALLS", "OF", "SPENT", "RESERVED", "OF", "ENDS"),
        [
            (
                _BUDGETS[each.name],
                str(each.used.calls),
                of(None if each.limit.calls is None else str(each.limit.calls)),
                money(each.spent_usd, estimated=False),
                money(each.reserved_usd, estimated=False),
                of(None if each.limit_usd is None else f"${each.limit_usd:.2f}"),
                each.ends_at,
            )
            for each in statuses
        ],
        numbers={"CALLS", "OF", "SPENT", "RESERVED"},
    )
    _print_switch(services)
    return 0


_BUDGETS = {
    "user_day": "user, today",
    "user_month": "user, this month",
    "day": "all users, today",
    "month": "all users, this month",
}


def _switch(args: argparse.Namespace) -> int:
    from secondlook.services import connect

    services = connect()
    if args.sending != "status":
        services.budgets.switch(sending=args.sending == "on", by="the command line")
    if args.json:
        off = services.budgets.switched_off()
        print_json(
            {"sending": off is None, "since": off.since if off else None, "by": off.by if off else None}
        )
    else:
        _print_switch(services)
    return 0


def _print_switch(services: Services) -> None:
    off = services.budgets.switched_off()
    print("Sending is on" if off is None else f"Sending is off since {off.since} by {one_line(off.by)}")
