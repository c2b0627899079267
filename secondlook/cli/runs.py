"""`secondlook snapshot`, `runs` (with `runs show`), `resume`, `resend` and `cancel`: single runs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from secondlook.cli import inspect_run
from secondlook.cli.arguments import Commands, add_user, log_to_stderr, user_of
from secondlook.cli.printing import plain, print_json, print_table

if TYPE_CHECKING:
    from secondlook.domain.runs import Run, SnapshotRun
    from secondlook.domain.usage import Usage

# As in models.RunStatus, which takes pydantic's import to read.
_STATUSES = ("queued", "calling", "answered", "done", "failed", "in_doubt", "cancelled")


def add(commands: Commands) -> None:
    """Add the commands.

    Args:
        commands: Those of the program.
    """
    snapshot = commands.add("snapshot", _snapshot, "Generate a source's snapshot.")
    snapshot.add_argument("source_id", metavar="SOURCE_ID")
    add_user(snapshot)
    snapshot.add_argument("--regenerate", action="store_true", help="make another one where there is one")

    runs = commands.add("runs", _runs, "List a user's runs, newest first.")
    add_user(runs)
    runs.add_argument("--status", metavar="S", choices=_STATUSES, help=", ".join(_STATUSES))
    inspect_run.add(runs)

    commands.add("resume", _resume, "Take up every run that may go on; nothing is sent twice.")

    resend = commands.add("resend", _resend, "Send a run in doubt again, knowing that it may be paid twice.")
    resend.add_argument("run_id", metavar="RUN_ID")
    add_user(resend)

    cancel = commands.add(
        "cancel", _cancel, "Give up a run that is queued, in doubt or not storable; its answer is kept."
    )
    cancel.add_argument("run_id", metavar="RUN_ID")
    add_user(cancel)


def _snapshot(args: argparse.Namespace) -> int:
    from secondlook.domain.identifiers import canonical
    from secondlook.execution.runner import Runner
    from secondlook.services import connect

    log_to_stderr()
    services = connect()
    runner = Runner(services)
    # A malformed user has no sources: the message is that of an unknown source.
    user = services.default_user() if args.user is None else canonical(args.user)
    access = services.own_access(user)
    run = runner.submit(args.source_id, access, regenerate=args.regenerate)
    return _print_outcome(runner.execute(run.run_id), as_json=args.json)


def _runs(args: argparse.Namespace) -> int:
    from secondlook.domain.runs import RunStatus
    from secondlook.services import connect
    from secondlook.views.figures import money, run_fields

    services = connect()
    user = user_of(args, services)
    found = services.ledger.list(user, status=RunStatus(args.status) if args.status else None)
    if args.json:
        print_json([run_fields(run) for run in found])
        return 0
    print_table(
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
    from secondlook.execution.runner import Runner
    from secondlook.services import connect
    from secondlook.views.figures import run_fields

    log_to_stderr()
    services = connect()
    services.own_access("")  # said at once, rather than of each run
    carried = Runner(services).resume()
    if args.json:
        print_json([run_fields(run) for run in carried])
    else:
        _print_statuses(carried)
    return 0


def _resend(args: argparse.Namespace) -> int:
    from secondlook.execution.runner import Runner
    from secondlook.services import connect

    log_to_stderr()
    services = connect()
    user = services.own_access(user_of(args, services)).user_id
    run = services.ledger.resend(args.run_id, user)
    return _print_outcome(Runner(services).execute(run.run_id), as_json=args.json)


def _cancel(args: argparse.Namespace) -> int:
    from secondlook.services import connect
    from secondlook.views.figures import run_fields

    services = connect()
    user = user_of(args, services)
    run = services.ledger.cancel(args.run_id, user)
    if args.json:
        print_json(run_fields(run))
    else:
        _print_statuses([run])
    return 0 if run.status == "cancelled" else 1


def _print_outcome(run: Run, *, as_json: bool) -> int:
    from secondlook.pipeline.outcome import outcome

    made = outcome(run)
    if as_json:
        from secondlook.views.figures import snapshot_fields

        print_json(snapshot_fields(made))
    else:
        _print_snapshot(made)
    return 0


def _print_snapshot(made: SnapshotRun) -> None:
    from secondlook.providers.table import is_local, label_of
    from secondlook.views.figures import money

    print(made.result.model_dump_json(indent=2))
    usage = made.usage
    label = label_of(made.agent)
    agent = f"the {label.lower()}; usage is estimated" if is_local(made.agent) else label
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
        print(run.run_id, run.status, plain(run.error.message if run.error else "", limit=1000), sep="\t")
