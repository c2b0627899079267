"""`secondlook usage`: tokens, cost, calls and how long they took."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from secondlook.cli.arguments import Commands
from secondlook.cli.printing import print_table
from secondlook.errors import SecondlookError

if TYPE_CHECKING:
    from secondlook.ledger.tally import Tally
    from secondlook.ledger.usage import UsageQuery, UsageReport
    from secondlook.services import Services
    from secondlook.views.export import Cell

# As in ledger.usage, which takes SQLAlchemy's import to read.
_DIMENSIONS = ("day", "model", "user", "source", "status", "task")
_STANDARD_OUTPUT = "-"

POSITION = 80


def add(commands: Commands) -> None:
    """Add the command.

    Args:
        commands: Those of the program.
    """
    usage = commands.add("usage", _usage, "Report tokens, cost, calls and durations.")
    usage.add_argument("--by", choices=_DIMENSIONS, default="day", help="group by (default: %(default)s)")
    usage.add_argument(
        "--since", type=_day, metavar="DAY", help="first day, YYYY-MM-DD in UTC (default: 30 days ago)"
    )
    usage.add_argument("--until", type=_day, metavar="DAY", help="last day (default: today)")
    usage.add_argument("--user", metavar="U", help="only this user (default: all users)")
    usage.add_argument("--agent", type=_agent, metavar="AGENT", help="only calls to this agent, by its name")
    usage.add_argument("--each", choices=("run", "call"), help="list every run or call instead of totals")
    usage.add_argument(
        "--csv",
        nargs="?",
        const=_STANDARD_OUTPUT,
        metavar="FILE",
        help="print CSV, or write it to a file that spreadsheets open",
    )


def _agent(text: str) -> str:
    from secondlook.providers.table import PROVIDERS

    if text in PROVIDERS:
        return text
    names = ", ".join(map(repr, PROVIDERS))
    raise argparse.ArgumentTypeError(f"invalid choice: {text!r} (choose from {names})")


def _day(text: str) -> date:
    try:
        if re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{text!r} is not a day: YYYY-MM-DD")


def _usage(args: argparse.Namespace) -> int:
    from secondlook.domain.identifiers import canonical
    from secondlook.ledger.usage import UsageQuery
    from secondlook.services import connect
    from secondlook.views.export import to_json
    from secondlook.views.usage import report_fields, report_table

    services = connect()
    since, until = services.usage.period(args.since, args.until)
    user = None if args.user is None else canonical(args.user, "user_id")
    query = UsageQuery(since, until, args.by, user, args.agent)
    if args.each:
        _print_each(args, services, query)
        return 0
    report = services.usage.report(query)
    if args.json:
        print(to_json(report_fields(report, services.budgets.standing(user))))
    elif args.csv:
        columns, rows = report_table(report)
        _write_csv(args.csv, columns, rows, missing="unknown")
    else:
        _print_report(report)
    return 0


def _print_each(args: argparse.Namespace, services: Services, query: UsageQuery) -> None:
    from secondlook.ledger.usage import CALL_FIELDS, RUN_FIELDS
    from secondlook.views.export import to_json

    runs = args.each == "run"
    columns = RUN_FIELDS if runs else CALL_FIELDS
    rows = services.usage.each_run(query) if runs else services.usage.each_call(query)
    if args.json:
        print(to_json(rows))
    else:
        _write_csv(args.csv or _STANDARD_OUTPUT, columns, rows)


def _write_csv(
    target: str, columns: Sequence[str], rows: Iterable[Mapping[str, Cell]], *, missing: str = ""
) -> None:
    """Write a table for programs to standard output, or for people to a file."""
    from secondlook.views.export import to_csv, to_csv_file

    if target == _STANDARD_OUTPUT:
        sys.stdout.write(to_csv(columns, rows, missing=missing))
        return
    try:
        Path(target).write_bytes(to_csv_file(columns, rows, missing=missing))
    except OSError as error:
        raise SecondlookError(f"Cannot write {target}: {error.strerror}", hint="Name another file.") from None


def _print_report(report: UsageReport) -> None:
    from secondlook.views import usage as views

    def cells(name: str, tally: Tally) -> tuple[str, ...]:
        return (
            name,
            str(tally.runs),
            str(tally.failed),
            str(tally.calls),
            str(tally.answered),
            views.say_tokens(tally.total_tokens, estimated=tally.estimated > 0),
            views.say_cost(tally),
            views.say_rejected(tally),
            views.say_percentiles(tally.call_ms, tally.answered),
            views.say_percentiles(tally.provider_ms, tally.answered),
        )

    header = (
        "RUNS",
        "FAILED",
        "CALLS",
        "ANSWERED",
        "TOKENS",
        "COST",
        "REJECTED",
        "CALL P50 / P95",
        "PROVIDER P50 / P95",
    )
    rows = [cells(row.key, row.tally) for row in report.rows]
    print_table((report.query.by.upper(), *header), [*rows, cells("total", report.total)], numbers=header)
    print(f"{report.query.since} to {report.query.until}, days in UTC", file=sys.stderr)
