"""`secondlook prune`: erase answers and inputs, keep the figures."""

from __future__ import annotations

import argparse
import re
import sys
from dataclasses import asdict

from secondlook.cli.arguments import Commands
from secondlook.cli.printing import print_json

POSITION = 90


def add(commands: Commands) -> None:
    """Add the command.

    Args:
        commands: Those of the program.
    """
    prune = commands.add(
        "prune", _prune, "Erase inputs, requests and answers of finished runs. Usage and cost stay."
    )
    prune.add_argument("--older-than", type=_days, metavar="90d", help="only runs that ended so long ago")
    prune.add_argument("--user", metavar="U", help="only runs of this user")
    prune.add_argument("--dry-run", action="store_true", help="only print what would be erased")
    prune.set_defaults(wrong=prune.error)


def _days(text: str) -> int:
    if not re.fullmatch("[0-9]{1,5}d", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of days: 90d")
    return int(text[:-1])


def _prune(args: argparse.Namespace) -> int:
    from secondlook.domain.identifiers import canonical
    from secondlook.services import connect

    if args.older_than is None and args.user is None:
        args.wrong("give --older-than, --user or both")
    user = None if args.user is None else canonical(args.user, "user_id")
    pruning = connect().pruning
    found = pruning.look(older_than_days=args.older_than, user_id=user)
    if not args.dry_run:
        if not args.json:
            print(_said(found.runs, found.answers, found.characters, "Would be erased"), file=sys.stderr)
        if not _confirmed():
            return 1
        found = pruning.erase(older_than_days=args.older_than, user_id=user)
    if args.json:
        print_json({"dry_run": args.dry_run, **asdict(found)})
        return 0
    done = "Would be erased" if args.dry_run else "Erased"
    print(_said(found.runs, found.answers, found.characters, done))
    if found.unsettled:
        print(f"Not erased: {found.unsettled} runs that are not finished")
    return 0


def _said(runs: int, answers: int, characters: int, done: str) -> str:
    return (
        f"{done}: inputs and requests of {runs:,} runs, {answers:,} answers, {characters:,} characters in all"
    )


def _confirmed() -> bool:
    """Return whether the person agrees; without a terminal the call itself is the consent."""
    if not sys.stdin.isatty():
        return True
    print("This cannot be undone. Erase? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}
