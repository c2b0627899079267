"""`secondlook backup`, `restore` and `import-ledger`: copies of the data folder and what they make."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from secondlook.cli.arguments import Commands
from secondlook.cli.printing import print_json

if TYPE_CHECKING:
    from secondlook.backup import Backup


def add(commands: Commands) -> None:
    """Add the commands.

    Args:
        commands: Those of the program.
    """
    backup = commands.add("backup", _backup, "Copy the data folder's databases, also while they are in use.")
    backup.add_argument("to", type=Path, metavar="TO", help="a folder that does not exist yet")
    restore = commands.add("restore", _restore, "Make the data folder out of a backup.")
    restore.add_argument("source", type=Path, metavar="FROM", help="a folder that `backup` made")
    importing = commands.add(
        "import-ledger", _import_ledger, "Copy a backup's ledger into the empty one of SECONDLOOK_LEDGER_URL."
    )
    importing.add_argument("source", type=Path, metavar="FROM", help="a folder that `backup` made")


def _backup(args: argparse.Namespace) -> int:
    from secondlook.backup import LEDGER, STORE, back_up
    from secondlook.settings import load_settings

    settings = load_settings()
    names: list[str] = []
    if settings.ledger_url is None:
        names.append(LEDGER)
    else:
        print(
            "The ledger is on Postgres. Back it up first: "
            'pg_dump --format=custom --file=ledger.dump "$SECONDLOOK_LEDGER_URL"',
            file=sys.stderr,
        )
    if settings.supabase_url is None:
        names.append(STORE)
    _show(args, "Backed up", back_up(settings.data_dir, args.to, names))
    return 0


def _restore(args: argparse.Namespace) -> int:
    from secondlook.backup import restore
    from secondlook.settings import load_settings

    _show(args, "Restored", restore(args.source, load_settings().data_dir))
    return 0


def _import_ledger(args: argparse.Namespace) -> int:
    from contextlib import closing

    from secondlook.backup import import_ledger
    from secondlook.errors import SettingInvalid
    from secondlook.ledger.database import ledger_database
    from secondlook.settings import load_settings

    url = load_settings().ledger_url
    if url is None:
        raise SettingInvalid(
            "SECONDLOOK_LEDGER_URL is not set",
            hint="Set it to the Postgres database that the ledger is to move to.",
        )
    with closing(ledger_database(url.get_secret_value())) as into:
        copied = import_ledger(args.source, into)
    if args.json:
        print_json(copied)
        return 0
    print(
        f"Copied and compared {sum(copied.values()):,} rows: "
        + ", ".join(f"{n:,} {t}" for t, n in copied.items())
    )
    return 0


def _show(args: argparse.Namespace, done: str, backup: Backup) -> None:
    if args.json:
        print_json({**asdict(backup), "folder": str(backup.folder)})
        return
    for name, size in backup.files.items():
        print(f"{done}: {backup.folder / name} ({size:,} bytes)")
    if backup.unknown:
        print(
            f"Outcome unknown now: {backup.unknown} runs that were queued when the backup was made. They may "
            "have been sent since. Resolve them on the pages Sources and Batch."
        )
