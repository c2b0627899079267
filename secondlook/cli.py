"""The command line: parse, call what the pages call, print, exit.

Exit codes: 0 done, 1 refused or failed, 2 wrong usage. Results go to standard output, the log and plain
messages to standard error.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from secondlook.errors import AnswerRejected, SecondlookError

if TYPE_CHECKING:
    from secondlook.models import Run, SnapshotRun, Usage
    from secondlook.wiring import Wiring

PAGE = 500  # sources read at a time


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: Without the program's name; None takes the process's own.

    Returns:
        The exit code.
    """
    args = _parser().parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that cannot show a name shows its code
    command: Callable[[argparse.Namespace], int] = args.command
    try:
        return command(args)
    except SecondlookError as error:
        return _print_error(error, as_json=args.json)
    except BrokenPipeError:
        sys.stderr.close()  # the reader went away; there is nobody to tell
        return 1
    except KeyboardInterrupt:
        print("Interrupted. `secondlook runs` shows what was begun.", file=sys.stderr)
        return 130
    except Exception as error:  # noqa: BLE001 -- a traceback could hold what no one may see
        unexpected = SecondlookError(
            f"Something unexpected went wrong ({type(error).__name__})", hint="See `secondlook check`."
        )
        return _print_error(unexpected, as_json=args.json)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="secondlook", description="Snapshots of bucketed estimates.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def add(name: str, command: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(command=command)
        added.add_argument("--json", action="store_true", help="print JSON")
        return added

    def add_user(to: argparse.ArgumentParser) -> None:
        to.add_argument("--user", metavar="U", help="the user's UUID; SECONDLOOK_USER by default")

    serve = add("serve", _serve, "Serve the dashboard.")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    serve.add_argument("--port", type=_port, default=8501, help="port to listen on (default: %(default)s)")

    sources = add("sources", _sources, "List a user's bucketed sources.")
    add_user(sources)
    sources.add_argument("--status", metavar="S", help="only sources of this status")
    sources.add_argument("--search", metavar="T", default="", help="only sources whose name holds this text")

    snapshot = add("snapshot", _snapshot, "Generate a source's snapshot.")
    snapshot.add_argument("source_id", metavar="SOURCE_ID")
    add_user(snapshot)
    snapshot.add_argument("--regenerate", action="store_true", help="make another one where there is one")

    runs = add("runs", _runs, "List a user's runs, newest first.")
    add_user(runs)
    runs.add_argument("--status", metavar="S", choices=_STATUSES, help=", ".join(_STATUSES))

    add("resume", _resume, "Take up every run that may go on; nothing is sent twice.")

    resend = add("resend", _resend, "Send a run in doubt again, knowing that it may be paid twice.")
    resend.add_argument("run_id", metavar="RUN_ID")
    add_user(resend)

    cancel = add(
        "cancel", _cancel, "Give up a run that is queued, in doubt or not storable; its answer is kept."
    )
    cancel.add_argument("run_id", metavar="RUN_ID")
    add_user(cancel)

    check = add("check", _check, "Check settings, store, ledger, key and model.")
    check.add_argument(
        "--email", metavar="E", help="on Supabase, try row security as this person too; asks for the password"
    )
    return parser


# As in models.RunStatus, which takes pydantic's import to read.
_STATUSES = ("queued", "calling", "answered", "done", "failed", "in_doubt", "cancelled")


def _port(text: str) -> int:
    port = int(text) if text.isdecimal() else -1
    if not 0 < port < 65536:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: a whole number from 1 to 65535")
    return port


def _serve(args: argparse.Namespace) -> int:
    from secondlook.serving import serve

    return serve(args.host, args.port)


def _sources(args: argparse.Namespace) -> int:
    from secondlook.figures import source_fields
    from secondlook.models import SourceQuery, SourceRow
    from secondlook.wiring import connect

    wiring = connect()
    user = _user(args, wiring)
    store = wiring.store(wiring.own_access(user))
    rows: list[SourceRow] = []
    while True:
        query = SourceQuery(search=args.search, status=args.status, offset=len(rows), limit=PAGE)
        page = store.list_sources(user, query)
        rows.extend(page.rows)
        if len(rows) >= page.total or not page.rows:
            break
    if args.json:
        _print_json([source_fields(row) for row in rows])
        return 0
    _print_table(
        ("SOURCE", "STATUS", "ESTIMATES", "CONFIDENCE", "NAME"),
        [
            (
                row.source.source_id,
                row.source.status,
                "unknown" if row.estimate_count is None else str(row.estimate_count),
                row.confidence_level or "unknown",
                row.source.source_name,
            )
            for row in rows
        ],
    )
    return 0


def _snapshot(args: argparse.Namespace) -> int:
    from secondlook.runner import Runner
    from secondlook.validation.identifiers import canonical
    from secondlook.wiring import connect

    _log_to_stderr()
    wiring = connect()
    runner = Runner(wiring)
    # A malformed user has no sources: the message is that of an unknown source.
    user = wiring.default_user() if args.user is None else canonical(args.user)
    access = wiring.own_access(user)
    run = runner.submit(args.source_id, access, regenerate=args.regenerate)
    return _print_outcome(runner.carry(run.run_id), as_json=args.json)


def _runs(args: argparse.Namespace) -> int:
    from secondlook.figures import money, run_fields
    from secondlook.models import RunStatus
    from secondlook.wiring import connect

    wiring = connect()
    user = _user(args, wiring)
    found = wiring.ledger.list(user, status=RunStatus(args.status) if args.status else None)
    if args.json:
        _print_json([run_fields(run) for run in found])
        return 0
    _print_table(
        ("RUN", "CREATED", "STATUS", "AGENT", "ATTEMPTS", "TOKENS", "COST", "SOURCE", "ERROR"),
        [
            (
                run.run_id,
                run.created_at,
                run.status,
                run.agent,
                str(run.attempts),
                _tokens(run.usage),
                money(run.cost_usd, estimated=run.usage.estimated),
                run.source_id,
                run.error.code if run.error else "",
            )
            for run in found
        ],
    )
    return 0


def _resume(args: argparse.Namespace) -> int:
    from secondlook.figures import run_fields
    from secondlook.runner import Runner
    from secondlook.wiring import connect

    _log_to_stderr()
    wiring = connect()
    wiring.own_access("")  # said at once, rather than of each run
    carried = Runner(wiring).resume()
    if args.json:
        _print_json([run_fields(run) for run in carried])
    else:
        _print_statuses(carried)
    return 0


def _resend(args: argparse.Namespace) -> int:
    from secondlook.runner import Runner
    from secondlook.wiring import connect

    _log_to_stderr()
    wiring = connect()
    user = wiring.own_access(_user(args, wiring)).user_id
    run = wiring.ledger.resend(args.run_id, user)
    return _print_outcome(Runner(wiring).carry(run.run_id), as_json=args.json)


def _cancel(args: argparse.Namespace) -> int:
    from secondlook.figures import run_fields
    from secondlook.wiring import connect

    wiring = connect()
    user = _user(args, wiring)
    run = wiring.ledger.cancel(args.run_id, user)
    if args.json:
        _print_json(run_fields(run))
    else:
        _print_statuses([run])
    return 0 if run.status == "cancelled" else 1


def _check(args: argparse.Namespace) -> int:
    from secondlook.checks import run_checks

    password = "" if args.email is None else _ask_password()
    found = run_checks(args.email, password)
    if args.json:
        _print_json([{"name": check.name, "ok": check.ok, "detail": check.detail} for check in found])
    else:
        for check in found:
            print(f"{'ok  ' if check.ok else 'FAIL'}  {check.name}: {check.detail}")
    return 0 if all(check.ok for check in found) else 1


def _ask_password() -> str:
    from getpass import getpass

    return getpass("Password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")


def _user(args: argparse.Namespace, wiring: Wiring) -> str:
    from secondlook.validation.identifiers import canonical

    return wiring.default_user() if args.user is None else canonical(args.user, "user_id")


def _log_to_stderr() -> None:
    from secondlook.log import configure

    configure()


def _print_outcome(run: Run, *, as_json: bool) -> int:
    from secondlook.runner import outcome

    made = outcome(run)
    if as_json:
        from secondlook.figures import snapshot_fields

        _print_json(snapshot_fields(made))
    else:
        _print_snapshot(made)
    return 0


def _print_snapshot(made: SnapshotRun) -> None:
    from secondlook.figures import money

    print(made.result.model_dump_json(indent=2))
    usage = made.usage
    agent = "the offline agent; usage is estimated" if made.agent == "offline" else "OpenAI"
    print(
        f"Snapshot {made.snapshot_id} by {agent}: {made.model}, {_tokens(usage)} tokens, "
        f"{money(made.cost, estimated=usage.estimated)}, {made.timings['total']:.0f} ms",
        file=sys.stderr,
    )
    for warning in made.warnings:
        print(f"Warning: {warning}", file=sys.stderr)


def _tokens(usage: Usage) -> str:
    if usage.total_tokens is None:
        return "unknown"
    return f"{'≈ ' if usage.estimated else ''}{usage.total_tokens}"


def _print_statuses(runs: Sequence[Run]) -> None:
    for run in runs:
        print(run.run_id, run.status, _plain(run.error.message if run.error else "", limit=1000), sep="\t")


def _print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = [header, *([_plain(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(header))]
    for row in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _plain(text: str, limit: int = 80) -> str:
    """A foreign text for a terminal: one line, nothing that moves the cursor, not too long."""
    text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _print_error(error: SecondlookError, *, as_json: bool) -> int:
    if as_json:
        _print_json({"error": _error_fields(error)})
    else:
        print(_plain(error.message, limit=1000), file=sys.stderr)
    return 1


def _error_fields(error: SecondlookError) -> dict[str, object]:
    fields: dict[str, object] = {
        "code": error.code,
        "message": error.message,
        "hint": error.hint,
        "run_id": error.run_id,
        "usage": error.usage.model_dump() if error.usage else None,
    }
    if isinstance(error, AnswerRejected):
        fields |= {"reason": error.reason, "path": error.path}
    return fields


def _print_json(value: object) -> None:
    print(json.dumps(value, indent=2))
