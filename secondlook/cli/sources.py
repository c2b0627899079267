"""`secondlook sources`."""

from __future__ import annotations

import argparse
import sys

from secondlook.cli.arguments import Commands, add_user, user_of
from secondlook.cli.identify import all_sources
from secondlook.cli.printing import print_json, print_table
from secondlook.domain.untrusted_text import one_line

POSITION = 20

# Those that are known; the store may hold others.
_STATUSES = ("pending", "ingested", "bucketed", "snapshot_generated", "insufficient_data")


def add(commands: Commands) -> None:
    """Add the command.

    Args:
        commands: Those of the program.
    """
    sources = commands.add("sources", _sources, "List a user's bucketed sources.")
    add_user(sources)
    sources.add_argument(
        "--status", metavar="S", help=f"only sources with this status: {', '.join(_STATUSES)}"
    )
    sources.add_argument(
        "--search", metavar="T", default="", help="only sources with this text in their name"
    )


def _sources(args: argparse.Namespace) -> int:
    from secondlook.domain.sources import SourceQuery
    from secondlook.services import connect
    from secondlook.views.figures import source_fields

    services = connect()
    user = user_of(args, services)
    store = services.store(services.own_access(user))
    rows = list(all_sources(store, user, SourceQuery(search=args.search, status=args.status)))
    if args.json:
        print_json([source_fields(row) for row in rows])
        return 0
    print_table(
        ("SOURCE", "STATUS", "ESTIMATES", "CONFIDENCE", "NAME"),
        [
            (
                row.source.source_id,
                row.source.status,
                "unknown" if row.estimate_count is None else str(row.estimate_count),
                row.confidence_level or "unknown",
                row.source.shown_name,
            )
            for row in rows
        ],
        numbers={"ESTIMATES"},
    )
    if not rows and args.status not in {None, *_STATUSES}:
        print(
            f"No source has the status {one_line(args.status)!r}. Known: {', '.join(_STATUSES)}",
            file=sys.stderr,
        )
    return 0
