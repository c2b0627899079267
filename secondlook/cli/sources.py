"""`secondlook sources`."""

from __future__ import annotations

import argparse

from secondlook.cli.arguments import Commands, add_user, user_of
from secondlook.cli.printing import print_json, print_table

PAGE = 500  # sources per read

POSITION = 20


def add(commands: Commands) -> None:
    """Add the command.

    Args:
        commands: Those of the program.
    """
    sources = commands.add("sources", _sources, "List a user's bucketed sources.")
    add_user(sources)
    sources.add_argument("--status", metavar="S", help="only sources with this status")
    sources.add_argument(
        "--search", metavar="T", default="", help="only sources with this text in their name"
    )


def _sources(args: argparse.Namespace) -> int:
    from secondlook.domain.sources import SourceQuery, SourceRow
    from secondlook.services import connect
    from secondlook.views.figures import source_fields

    services = connect()
    user = user_of(args, services)
    store = services.store(services.own_access(user))
    rows: list[SourceRow] = []
    while True:
        query = SourceQuery(search=args.search, status=args.status, offset=len(rows), limit=PAGE)
        page = store.list_sources(user, query)
        rows.extend(page.rows)
        if len(rows) >= page.total or not page.rows:
            break
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
    )
    return 0
