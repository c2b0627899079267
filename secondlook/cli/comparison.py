"""`secondlook compare`."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from secondlook.cli.arguments import Commands, add_user, user_of
from secondlook.cli.identify import find_snapshot
from secondlook.cli.printing import print_json, print_table
from secondlook.domain.untrusted_text import one_line

if TYPE_CHECKING:
    from secondlook.views.comparison import BandChange, Comparison

POSITION = 30


def add(commands: Commands) -> None:
    """Add the command.

    Args:
        commands: Those of the program.
    """
    compare = commands.add("compare", _compare, "Compare two snapshots.")
    compare.add_argument("first", metavar="A", help="id of the first snapshot, or its beginning")
    compare.add_argument("second", metavar="B", help="id of the second snapshot, or its beginning")
    add_user(compare)


def _compare(args: argparse.Namespace) -> int:
    from secondlook.services import connect
    from secondlook.views.comparison import compare, comparison_fields
    from secondlook.views.snapshot import read_snapshot_view

    services = connect()
    access = services.own_access(user_of(args, services))
    store = services.store(access)
    ids = [find_snapshot(services, access, each) for each in (args.first, args.second)]
    found = compare(*(read_snapshot_view(store, services.ledger, each, access.user_id) for each in ids))
    if args.json:
        print_json(comparison_fields(found))
    else:
        _print(found)
    return 0


def _print(found: Comparison) -> None:
    first, second = found.first.snapshot, found.second.snapshot
    print_table(
        ("", "FIRST", "SECOND", "CHANGE"),
        [
            ("Source", found.first.source_name, found.second.source_name, ""),
            ("Generated", first.generated_at, second.generated_at, ""),
            (
                "Estimates",
                f"{first.estimate_count:,}",
                f"{second.estimate_count:,}",
                f"{found.estimates_change:+,}",
            ),
            ("Confidence", first.confidence_level, second.confidence_level, ""),
            *(_row("Price", band) for band in found.price),
            *(_row("Latency", band) for band in found.latency),
        ],
        numbers={"FIRST", "SECOND", "CHANGE"},
    )
    if found.moved is not None:
        print(found.moved.sentence)
    for warning in found.warnings:
        print(f"Warning: {one_line(warning, limit=1000)}", file=sys.stderr)


def _row(name: str, band: BandChange) -> tuple[str, str, str, str]:
    return (
        f"{name} {band.band}",
        f"{band.before:,} ({band.share_before:.1%})",
        f"{band.after:,} ({band.share_after:.1%})",
        f"{band.change:+,} ({band.points:+.1f} points)",
    )
