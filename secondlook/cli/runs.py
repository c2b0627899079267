"""`secondlook snapshot`, `runs` (with `runs show`), `resume`, `resend` and `cancel`: single runs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from secondlook.cli import inspect_run
from secondlook.cli.arguments import Commands, add_user, log_to_stderr, user_of
from secondlook.cli.identify import find_run, find_source
from secondlook.cli.printing import print_hint, print_json, print_table
from secondlook.domain.untrusted_text import one_line

if TYPE_CHECKING:
    from secondlook.domain.runs import Run, SnapshotRun

# As in domain.runs.RunStatus, which takes pydantic's import to read.
_STATUSES = ("queued", "calling", "answered", "done", "failed", "in_doubt", "cancelled")

_NOT_CANCELED = (
    "Only a run that is queued, not storable or of unknown outcome can be canceled. `secondlook runs show "
    "RUN_ID` shows this one."
)

POSITION = 40


def add(commands: Commands) -> None:
    """Add the commands.

    Args:
        commands: Those of the program.
    """
    snapshot = commands.add("snapshot", _snapshot, "Generate a source's snapshot.")
    snapshot.add_argument(
        "source_id", metavar="SOURCE_ID", help="id of the source, its beginning, or the source's name"
    )
    add_user(snapshot)
    snapshot.add_argument(
        "--regenerate", action="store_true", help="generate another snapshot where there is one"
    )

    runs = commands.add("runs", _runs, "List a user's runs, newest first.")
    add_user(runs)
    runs.add_argument(
        "--status", metavar="S", choices=_STATUSES, help=f"only runs with this status: {', '.join(_STATUSES)}"
    )
    inspect_run.add_show(runs)

    commands.add("resume", _resume, "Resume every run that can go on. No request is sent twice.")

    resend = commands.add("resend", _resend, "Retry a run with an unknown outcome. You may be charged twice.")
    resend.add_argument("run_id", metavar="RUN_ID", help="id of the run, or its beginning")
    add_user(resend)

    cancel = commands.add(
        "cancel",
        _cancel,
        "Cancel a run that is queued, not storable or of unknown outcome. Its answer is kept.",
    )
    cancel.add_argument("run_id", metavar="RUN_ID", help="id of the run, or its beginning")
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
    source_id = find_source(services, access, args.source_id)
    run = runner.submit(source_id, access, regenerate=args.regenerate)
    return _print_outcome(runner.execute(run.run_id), as_json=args.json)


def _runs(args: argparse.Namespace) -> int:
    from secondlook.domain.runs import RunStatus
    from secondlook.services import connect
    from secondlook.views.run import run_fields, view_run

    services = connect()
    user = user_of(args, services)
    found = services.ledger.list(user, status=RunStatus(args.status) if args.status else None)
    if args.json:
        print_json([run_fields(run) for run in found])
        return 0
    views = [(run, view_run(run)) for run in found]
    print_table(
        ("RUN", "CREATED", "STATUS", "AGENT", "ATTEMPTS", "TOKENS", "COST", "SOURCE", "ERROR"),
        [
            (
                run.run_id,
                run.created_at,
                view.status,
                run.agent,
                str(run.attempts),
                view.total_tokens,
                view.cost,
                run.source_id,
                run.error.code if run.error else "",
            )
            for run, view in views
        ],
        numbers={"ATTEMPTS", "TOKENS", "COST"},
    )
    return 0


def _resume(args: argparse.Namespace) -> int:
    from secondlook.execution.runner import Runner
    from secondlook.services import connect
    from secondlook.views.run import run_fields

    log_to_stderr()
    services = connect()
    services.own_access("")  # refused at once, not once per run
    executed = Runner(services).resume()
    if args.json:
        print_json([run_fields(run) for run in executed])
    else:
        _print_statuses(executed)
    return 0


def _resend(args: argparse.Namespace) -> int:
    from secondlook.execution.runner import Runner
    from secondlook.services import connect

    log_to_stderr()
    services = connect()
    user = services.own_access(user_of(args, services)).user_id
    run = services.ledger.resend(find_run(services, user, args.run_id), user)
    return _print_outcome(Runner(services).execute(run.run_id), as_json=args.json)


def _cancel(args: argparse.Namespace) -> int:
    from secondlook.services import connect
    from secondlook.views.run import run_fields

    services = connect()
    user = user_of(args, services)
    run = services.ledger.cancel(find_run(services, user, args.run_id), user)
    if args.json:
        print_json(run_fields(run))
    else:
        _print_statuses([run])
        if run.status != "cancelled":
            print_hint(_NOT_CANCELED, run.run_id)
    return 0 if run.status == "cancelled" else 1


def _print_outcome(run: Run, *, as_json: bool) -> int:
    from secondlook.pipeline.outcome import outcome

    if not run.makes_snapshot:
        return _print_run(run, as_json=as_json)
    made = outcome(run)
    if as_json:
        from secondlook.views.run import snapshot_fields

        print_json(snapshot_fields(made))
    else:
        _print_snapshot(made)
    return 0


def _print_run(run: Run, *, as_json: bool) -> int:
    from secondlook.views.run import run_fields

    if as_json:
        print_json(run_fields(run))
    else:
        _print_statuses([run])
        print_hint(run.error.hint if run.error else "", run.run_id)
    return 0 if run.status == "done" else 1


def _print_snapshot(made: SnapshotRun) -> None:
    from secondlook.providers.table import label_of
    from secondlook.views.figures import duration, money, tokens

    print(made.result.model_dump_json(indent=2))
    estimated = made.usage.estimated
    facts = (
        made.model,
        f"{tokens(made.usage.total_tokens, estimated=estimated)} tokens",
        money(made.cost, estimated=estimated),
        duration(made.timings["total"]),
        *(["usage is estimated"] if estimated else []),
    )
    print(f"Snapshot {made.snapshot_id} by {label_of(made.agent)}: {', '.join(facts)}", file=sys.stderr)
    for warning in made.warnings:
        print(f"Warning: {warning}", file=sys.stderr)


def _print_statuses(runs: Sequence[Run]) -> None:
    # Lines that scripts split, so with the status's value.
    for run in runs:
        message = one_line(run.error.message if run.error else "", limit=1000)
        print(run.run_id, run.status, message, sep="\t")
