"""`secondlook bucket` and `secondlook delete`: what becomes of estimates that are in the store."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict

from secondlook.cli.arguments import Commands, add_user, user_of
from secondlook.cli.printing import print_json
from secondlook.domain.untrusted_text import one_line

POSITION = 24


def add(commands: Commands) -> None:
    """Add the commands.

    Args:
        commands: Those of the program.
    """
    bucket = commands.add("bucket", _bucket, "Make the buckets of a source's estimates.")
    bucket.add_argument("source_id", metavar="SOURCE_ID", help="the source")
    add_user(bucket)
    delete = commands.add("delete", _delete, "Delete a source with its estimates, buckets and snapshots.")
    delete.add_argument("source_id", metavar="SOURCE_ID", help="the source")
    add_user(delete)
    delete.add_argument(
        "--erase-runs",
        action="store_true",
        help="erase inputs, requests and answers of its runs too; figures stay",
    )


def _bucket(args: argparse.Namespace) -> int:
    from secondlook.services import connect

    services = connect()
    user = user_of(args, services)
    made = services.estimates(services.own_access(user)).bucket(args.source_id, user)
    if args.json:
        names = ("source_id", "source_name", "status", "estimate_count")
        print_json({name: value for name, value in asdict(made).items() if name in names})
        return 0
    done = "Nothing has changed" if made.change == "unchanged" else "Bucketed"
    print(f"{done}: {made.estimate_count:,} estimates of {one_line(made.source_name)}")
    return 0


def _delete(args: argparse.Namespace) -> int:
    from secondlook.domain.identifiers import canonical
    from secondlook.errors import SourceNotFound
    from secondlook.pipeline.deletion import delete_source
    from secondlook.services import connect

    services = connect()
    user = user_of(args, services)
    access = services.own_access(user)
    source_id = canonical(args.source_id)
    record = services.store(access).load(source_id, user)
    if record is None:
        raise SourceNotFound
    name = one_line(record.source.shown_name)
    if not _confirmed(name):
        return 1
    erased = delete_source(
        services.estimates(access),
        services.ledger,
        services.pruning,
        source_id,
        user,
        erase_runs=args.erase_runs,
    )
    if args.json:
        print_json({"source_id": source_id, "erased": None if erased is None else asdict(erased)})
        return 0
    print(f"Deleted: {name}")
    if erased is not None:
        print(f"Erased: inputs and requests of {erased.runs:,} runs, {erased.answers:,} answers")
    return 0


def _confirmed(name: str) -> bool:
    """Return whether the person agrees; without a terminal the call itself is the consent."""
    if not sys.stdin.isatty():
        return True
    print(
        f"This deletes {name} with its estimates, buckets and snapshots for good. Delete? [y/N] ",
        end="",
        file=sys.stderr,
        flush=True,
    )
    return sys.stdin.readline().strip().lower() in {"y", "yes"}
