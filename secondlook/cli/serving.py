"""`secondlook serve`, `worker` and `check`: what an operator starts and looks at."""

from __future__ import annotations

import argparse
import sys

from secondlook.cli.arguments import Commands, log_to_stderr, whole
from secondlook.cli.printing import colored, print_hint, print_json

POSITION = 10


def add(commands: Commands) -> None:
    """Add the commands.

    Args:
        commands: Those of the program.
    """
    serve = commands.add("serve", _serve, "Serve the dashboard.")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    serve.add_argument("--port", type=_port, default=8501, help="port to listen on (default: %(default)s)")

    worker = commands.add("worker", _worker, "Execute runs for all dashboards on a ledger on Postgres.")
    worker.add_argument(
        "--concurrency",
        type=whole,
        metavar="N",
        help="the most batch runs at the same time in this process, and as many single runs "
        "(default: SECONDLOOK_CONCURRENCY)",
    )

    check = commands.add("check", _check, "Check settings, store, ledger, key and model.")
    check.add_argument(
        "--email",
        metavar="E",
        help="on Supabase, also test row security as this person; asks for a password",
    )


def _port(text: str) -> int:
    port = int(text) if text.isdecimal() else -1
    if not 0 < port < 65536:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: a whole number from 1 to 65535")
    return port


def _serve(args: argparse.Namespace) -> int:
    from secondlook.web.server import serve

    return serve(args.host, args.port)


def _worker(args: argparse.Namespace) -> int:
    from secondlook.execution.worker import work

    log_to_stderr()
    return work(args.concurrency)


def _check(args: argparse.Namespace) -> int:
    from secondlook.cli.checks import run_checks

    password = "" if args.email is None else _ask_password()
    found = run_checks(args.email, password)
    if args.json:
        print_json([{"name": check.name, "ok": check.ok, "detail": check.detail} for check in found])
    else:
        for check in found:
            print(f"{colored('ok  ' if check.ok else 'FAIL')}  {check.name}: {check.detail}")
            print_hint(check.hint)
    return 0 if all(check.ok for check in found) else 1


def _ask_password() -> str:
    from getpass import getpass

    return getpass("Password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
