"""`secondlook report`: a snapshot on one page, as HTML or PDF."""

from __future__ import annotations

import argparse
from pathlib import Path

from secondlook.cli.arguments import Commands, add_user, user_of
from secondlook.cli.identify import find_snapshot
from secondlook.cli.printing import print_json

POSITION = 36


def add(commands: Commands) -> None:
    """Add the command.

    Args:
        commands: Those of the program.
    """
    report = commands.add("report", _report, "Print the report of a stored snapshot: HTML, or a PDF file.")
    report.add_argument("snapshot_id", metavar="SNAPSHOT_ID")
    report.add_argument(
        "--pdf", type=Path, metavar="FILE", help="write a PDF file, by the Chromium installed here"
    )
    add_user(report)


def _report(args: argparse.Namespace) -> int:
    from secondlook.services import connect
    from secondlook.views.insights import read_insights
    from secondlook.views.pdf import print_pdf
    from secondlook.views.report import write_report
    from secondlook.views.snapshot import read_snapshot_view

    services = connect()
    user = user_of(args, services)
    access = services.own_access(user)
    snapshot_id = find_snapshot(services, access, args.snapshot_id)
    store = services.store(access)
    view = read_snapshot_view(store, services.ledger, snapshot_id, user)
    html = write_report(view, read_insights(store, services.ledger, snapshot_id, user))
    if args.pdf is not None:
        print_pdf(html, args.pdf)
        html = ""
    if args.json:
        file = None if args.pdf is None else str(args.pdf)
        print_json({"snapshot_id": view.snapshot.snapshot_id, "pdf": file, "html": html or None})
    else:
        print(html or args.pdf)
    return 0
