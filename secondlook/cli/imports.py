"""`secondlook import`: a file of estimates becomes a source, or one for each value of a column."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from secondlook.cli.arguments import Commands, add_user, user_of
from secondlook.cli.printing import print_json, print_table
from secondlook.domain.untrusted_text import one_line

if TYPE_CHECKING:
    from secondlook.importing.estimates import Options, Reading
    from secondlook.stores.estimates import StoredSource

_SHOWN = 20  # refused rows and sources that are printed


POSITION = 22


def add(commands: Commands) -> None:
    """Add the command.

    Args:
        commands: Those of the program.
    """
    text = "Import a file of estimates (CSV, TSV or XLSX) as a source."
    parser = commands.add("import", _import, text)
    parser.add_argument("file", metavar="FILE", help="the file")
    parser.add_argument("--name", metavar="N", help="the source's name; the file's name by default")
    parser.add_argument("--type", metavar="T", help="the source's type; csv by default")
    add_user(parser)
    parser.add_argument(
        "--column", metavar="ROLE=NAME", type=_column, action="append", default=[],
        help="the column of a role, such as amount=Total; NAME may be #3 for the third, or empty for none",
    )  # fmt: skip
    parser.add_argument("--sheet", metavar="S", help="the worksheet; the first visible one by default")
    parser.add_argument("--dates", choices=("dmy", "mdy", "ymd"), help="the order of day, month and year")
    parser.add_argument("--zone", metavar="Z", default="UTC", help="the zone of dates without one")
    parser.add_argument("--decimal", choices=(",", "."), help="the decimal mark of amounts")
    parser.add_argument("--decided", metavar="STATUS", nargs="+", action="extend", default=[],
                        help="statuses that count")  # fmt: skip
    parser.add_argument("--undecided", metavar="STATUS", nargs="+", action="extend", default=[],
                        help="statuses that do not count")  # fmt: skip
    parser.add_argument("--all-decided", action="store_true", help="every row counts: there are no statuses")
    parser.add_argument(
        "--one-date", action="store_true", help="no closing dates: count weeks of the one date, no latency"
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--source", metavar="SOURCE_ID", help="update this source")
    which.add_argument("--group-by", metavar="COLUMN", help="make a source of each value of this column")
    parser.add_argument("--window", metavar="DAYS", type=_positive, help="only estimates closed so recently")
    parser.add_argument("--limit", metavar="N", type=_positive, help="only each source's first N estimates")
    parser.add_argument(
        "--skip-refused", action="store_true", help="import the others where rows are refused"
    )
    parser.add_argument("--dry-run", action="store_true", help="only print what would be imported")


def _column(text: str) -> tuple[str, str]:
    role, equals, name = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not ROLE=NAME")
    return role, name


def _positive(text: str) -> int:
    number = int(text) if text.isdecimal() and len(text) < 10 else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return number


def _import(args: argparse.Namespace) -> int:
    from secondlook.errors import ImportRefused
    from secondlook.importing.read import read_file

    reading = read_file(Path(args.file), _options(args), _bar("Reading"))
    if not args.json:
        _print_reading(reading)
    stored: list[StoredSource] = []
    refusal = _refusal(reading, skip_refused=args.skip_refused)
    if not args.dry_run:
        if refusal is not None:
            raise ImportRefused(*refusal[:1], hint=refusal[1])
        stored = _store(args, reading)
    if args.json:
        print_json(_fields(reading, stored))
    else:
        _print_stored(stored)
        if refusal is not None:
            print(" ".join(refusal), file=sys.stderr)
    return 0 if refusal is None else 1


def _options(args: argparse.Namespace) -> Options:
    from secondlook.importing.estimates import Options

    return Options(
        name=args.name,
        source_type=args.type,
        columns=dict(args.column),
        dates=args.dates,
        zone=args.zone,
        decimal=args.decimal,
        decided=frozenset(args.decided),
        undecided=frozenset(args.undecided),
        all_decided=args.all_decided,
        one_date=args.one_date,
        window=args.window,
        limit=args.limit,
        group_by=args.group_by,
        sheet=args.sheet,
    )


def _refusal(reading: Reading, *, skip_refused: bool) -> tuple[str, str] | None:
    """What must be said or corrected before the file can be stored, and how."""
    if reading.questions:
        return " ".join(question.message for question in reading.questions), "Nothing was stored."
    if reading.refused_count and not skip_refused:
        statuses = ", ".join(reading.unknown_statuses)
        hint = f"Say whether these statuses count (--decided, --undecided): {statuses}. " if statuses else ""
        rows = f"{reading.refused_count:,} of {reading.rows:,} rows were refused."
        return rows, f"{hint}Correct the file, or import the others with --skip-refused. Nothing was stored."
    if not reading.taken:
        return "The file has no estimates to import.", "Nothing was stored."
    return None


def _store(args: argparse.Namespace, reading: Reading) -> list[StoredSource]:
    from secondlook.domain.identifiers import canonical
    from secondlook.services import connect

    services = connect()
    user = user_of(args, services)
    source_id = None if args.source is None else canonical(args.source)
    show = _bar("Storing")
    store = services.estimates(services.own_access(user))
    return store.put(
        reading.sources, user, source_id=source_id, progress=lambda rows: show(rows / reading.taken)
    )


def _bar(name: str) -> Callable[[float], None]:
    """What prints how far it has come, over the line before; nothing where nobody watches."""
    width = 30

    def show(share: float) -> None:
        done = int(width * min(1.0, share))
        bar = f"[{'#' * done}{'.' * (width - done)}]"
        end = "\n" if share >= 1 else ""
        print(f"\r{name} {bar} {min(1.0, share):.0%}\033[K", end=end, file=sys.stderr, flush=True)

    return show if sys.stderr.isatty() else lambda _share: None


def _fields(reading: Reading, stored: list[StoredSource]) -> dict[str, object]:
    if stored:
        sources = [
            {
                "source_id": each.source_id,
                "source_name": each.source_name,
                "status": each.status,
                "estimate_count": each.estimate_count,
            }
            for each in stored
        ]
    else:
        sources = [
            {"source_id": None, "source_name": each.name, "status": None, "estimate_count": each.count}
            for each in reading.sources
        ]
    return {
        "sources": sources,
        "rows": reading.rows,
        "taken": reading.taken,
        "left_out": dict(reading.left_out),
        "refused": [
            {"line": each.line, "column": each.column, "reason": each.reason, "alike": each.alike}
            for each in reading.refused
        ],
        "refused_count": reading.refused_count,
        "repeated": reading.repeated,
        "columns": dict(reading.columns),
        "unknown_statuses": dict(reading.unknown_statuses),
        "questions": [{"about": each.about, "message": each.message} for each in reading.questions],
        "notes": [
            {"text": each.text, "lines": list(each.lines), "count": each.count} for each in reading.notes
        ],
    }


def _print_reading(reading: Reading) -> None:
    print_table(("COLUMN", "READ AS"), [(name, role) for role, name in reading.columns.items()])
    for note in reading.notes:
        lines = f" (line {', '.join(map(str, note.lines))}{' …' if note.count > len(note.lines) else ''})"
        print(f"{f'{note.count:,} ' if note.count else ''}{note.text}{lines if note.lines else ''}")
    left_out = sum(reading.left_out.values())
    print(
        f"{reading.rows:,} rows: {reading.taken:,} taken, {left_out:,} left out, "
        f"{reading.refused_count:,} refused, {reading.repeated:,} repeated"
    )
    for reason, count in reading.left_out.items():
        print(f"Left out: {count:,} ({one_line(reason)})")
    alike = {(each.column, each.reason): each for each in reversed(reading.refused)}
    for each in sorted(alike.values(), key=lambda refusal: refusal.line):
        print(f"Refused: {each.alike:,} ({one_line(each.column)}: {each.reason}), first in line {each.line}")
    print_table(
        ("ESTIMATES", "SOURCE"), [(f"{each.count:,}", each.name) for each in reading.sources[:_SHOWN]]
    )
    if len(reading.sources) > _SHOWN:
        print(f"{len(reading.sources) - _SHOWN:,} more sources")


def _print_stored(stored: list[StoredSource]) -> None:
    for each in stored[:_SHOWN]:
        done = "Nothing has changed" if each.change == "unchanged" else f"Stored ({each.change})"
        print(f"{done}: {one_line(each.source_name)}, {each.estimate_count:,} estimates, {each.source_id}")
    if len(stored) > _SHOWN:
        print(f"{len(stored) - _SHOWN:,} more sources were stored")
