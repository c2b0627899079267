"""`secondlook try-model`: how well a model answers a user's own sources, before somebody moves to it."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from secondlook.cli import batch
from secondlook.cli.arguments import Commands, add_user, log_to_stderr, user_of, whole
from secondlook.cli.printing import print_json, print_table

if TYPE_CHECKING:
    from secondlook.execution.batches import Forecast
    from secondlook.services import Services
    from secondlook.views.trial import TrialReport

POSITION = 60


def add(commands: Commands) -> None:
    """Add the command.

    Args:
        commands: Those of the program.
    """
    trial = commands.add(
        "try-model", _try_model, "Ask a model for snapshots of a few sources, and store none of them."
    )
    trial.add_argument(
        "--sources", type=whole, default=5, metavar="N", help="how many sources (default: %(default)s)"
    )
    trial.add_argument("--model", metavar="NAME", help="the model to try; SECONDLOOK_MODEL by default")
    add_user(trial)
    trial.add_argument("--yes", action="store_true", help="start without asking")


def _try_model(args: argparse.Namespace) -> int:
    from secondlook.execution import batches, trials
    from secondlook.execution.runner import Runner
    from secondlook.services import connect
    from secondlook.views.trial import report_trial

    log_to_stderr()
    services = connect(model=args.model)
    access = services.own_access(user_of(args, services))
    found = trials.forecast(services, access, args.sources)
    _print_forecast(services, found)
    if not (args.yes or services.asked_agent().local or batch.confirmed()):
        return 1
    begun = trials.begin(services, access, args.sources)
    show = batch.show_progress if sys.stderr.isatty() else batch.show_nothing
    ended = batches.execute(Runner(services), begun, show)
    report = report_trial(services.ledger.of_batch(ended.batch_id, access.user_id))
    _print_report(report, ended.batch_id, as_json=args.json)
    return 0


def _print_forecast(services: Services, found: Forecast) -> None:
    from secondlook.views.figures import money, tokens

    agent = services.asked_agent()
    cost = "nothing is paid" if agent.local else money(found.cost_usd, estimated=True)
    number = f"{found.runnable:,} source{'' if found.runnable == 1 else 's'}"
    print(f"Trial of {agent.model} ({agent.label}) with {number}:", file=sys.stderr)
    print(f"{tokens(found.tokens, estimated=True)} tokens, {cost}. No snapshot is stored.", file=sys.stderr)
    for code, skipped in found.refused.most_common():
        print(f"Skipped: {skipped} ({code})", file=sys.stderr)


def _print_report(report: TrialReport, batch_id: str, *, as_json: bool) -> None:
    from secondlook.views.trial import TRIED_COLUMNS, trial_facts, trial_fields, tried_cells

    if as_json:
        print_json({"batch_id": batch_id, **trial_fields(report)})
        return
    for name, value in trial_facts(report).items():
        print(f"{name}: {value}")
    print()
    print_table(
        [name.upper() for name in TRIED_COLUMNS],
        [tried_cells(run) for run in report.runs],
        numbers={"AGENT CALL", "TOKENS"},
    )
    print("`secondlook runs show RUN_ID` shows an answer with its rules.", file=sys.stderr)
