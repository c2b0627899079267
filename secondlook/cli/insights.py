"""`secondlook insights`: what stands out in a stored snapshot."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from secondlook.cli.arguments import Commands, add_user, log_to_stderr, user_of
from secondlook.cli.identify import find_snapshot
from secondlook.cli.printing import print_json

if TYPE_CHECKING:
    from secondlook.domain.access import Access
    from secondlook.services import Services
    from secondlook.views.insights import InsightsView


POSITION = 33


def add(commands: Commands) -> None:
    """Add the command.

    Args:
        commands: Those of the program.
    """
    insights = commands.add("insights", _insights, "Say what stands out in a stored snapshot.")
    insights.add_argument("snapshot_id", metavar="SNAPSHOT_ID")
    add_user(insights)
    which = insights.add_mutually_exclusive_group()
    which.add_argument("--facts", action="store_true", help="only the facts; the agent is not asked")
    which.add_argument("--regenerate", action="store_true", help="ask the agent again; the call is billed")


def _insights(args: argparse.Namespace) -> int:
    from secondlook.services import connect
    from secondlook.views.insights import insights_fields, read_insights

    log_to_stderr()
    services = connect()
    access = services.own_access(user_of(args, services))
    snapshot_id = find_snapshot(services, access, args.snapshot_id)
    if not args.facts:
        _ask(services, access, snapshot_id, regenerate=args.regenerate)
    view = read_insights(services.store(access), services.ledger, snapshot_id, access.user_id)
    if args.json:
        print_json(insights_fields(view))
    elif args.facts:
        _print_facts(view)
    else:
        _print_insights(view)
    return 0


def _ask(services: Services, access: Access, snapshot_id: str, *, regenerate: bool) -> None:
    """Have the agent asked, or join the run that is there; a rejected answer leaves our own sentences."""
    from secondlook.domain.runs import RunStatus
    from secondlook.errors import AnswerRejected
    from secondlook.execution.runner import Runner
    from secondlook.pipeline.outcome import error_of

    runner = Runner(services)
    run = runner.execute(runner.explain(snapshot_id, access, regenerate=regenerate).run_id)
    if run.status is RunStatus.DONE:
        return
    error = error_of(run)
    if not isinstance(error, AnswerRejected):
        raise error
    print(f"{error.message}. These are our own sentences.", file=sys.stderr)


def _print_facts(view: InsightsView) -> None:
    for fact in view.facts:
        print(fact.sentence)


def _print_insights(view: InsightsView) -> None:
    from secondlook.providers.table import label_of
    from secondlook.views.figures import money, tokens

    told = [*([] if view.headline is None else [view.headline]), *view.insights]
    for each in told:
        print(each.text)
    run = view.run
    if run is None:
        return
    refused = len(view.refused)
    parts = [
        f"{tokens(run.usage.total_tokens, estimated=run.usage.estimated)} tokens",
        money(run.cost_usd, estimated=run.usage.estimated),
        f"{refused} sentence{'' if refused == 1 else 's'} refused",
        *(["our own sentences in their place"] if any(each.by == "rules" for each in told) else []),
    ]
    print(f"Insights by {label_of(run.agent)}: {', '.join(parts)}", file=sys.stderr)
