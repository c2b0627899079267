"""`secondlook batch`."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, TextIO

from secondlook.cli.arguments import Commands, add_user, log_to_stderr, user_of, whole
from secondlook.cli.identify import find_source
from secondlook.cli.printing import print_json

if TYPE_CHECKING:
    from secondlook.domain.batches import Batch
    from secondlook.execution.batches import Forecast
    from secondlook.ledger.budgets import Allowance

POSITION = 50


def add(commands: Commands) -> None:
    """Add the command.

    Args:
        commands: Those of the program.
    """
    batch = commands.add("batch", _batch, "Generate snapshots of many sources.")
    add_user(batch)
    which = batch.add_mutually_exclusive_group()
    which.add_argument(
        "--status",
        metavar="S",
        default="bucketed",
        help="all sources with this status: bucketed (default) or snapshot_generated",
    )
    which.add_argument(
        "--source", metavar="ID", nargs="+", default=[], help="these sources, by id, its beginning, or name"
    )
    which.add_argument("--pause", metavar="BATCH_ID", help="pause a batch")
    which.add_argument(
        "--resume", metavar="BATCH_ID", help="resume a paused or stopped batch in this process"
    )
    which.add_argument("--stop", metavar="BATCH_ID", help="stop a batch: cancel runs that were not sent")
    batch.add_argument(
        "--insights",
        action="store_true",
        help="ask what stands out in the newest snapshot of each source that has one, and make no snapshot",
    )
    batch.add_argument("--concurrency", type=whole, metavar="N", help="the most runs at the same time")
    batch.add_argument("--per-minute", type=_positive, metavar="M", help="the most runs started per minute")
    batch.add_argument("--dry-run", action="store_true", help="only print the preview")


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number <= 1_000_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return number


def _batch(args: argparse.Namespace) -> int:
    from secondlook.domain.runs import INSIGHTS, SNAPSHOT
    from secondlook.execution import batches
    from secondlook.execution.runner import Runner
    from secondlook.services import connect

    log_to_stderr()
    services = connect()
    access = services.own_access(user_of(args, services))
    if args.pause or args.stop:
        change = services.batches.pause if args.pause else services.batches.stop
        return _print_batch(change(args.pause or args.stop, access.user_id), as_json=args.json)
    if args.resume:
        batch = services.batches.resume(args.resume, access.user_id)
    else:
        source_ids = [find_source(services, access, each) for each in args.source]
        selection = batches.Selection(
            status=args.status, source_ids=source_ids, task=INSIGHTS if args.insights else SNAPSHOT
        )
        found = batches.forecast(services, access, selection)
        allowance = batches.allowance(services, access, found)
        if args.dry_run:
            if args.json:
                print_json(_forecast_fields(found, allowance))
            else:
                _print_forecast(found, allowance, sys.stdout)
            return 0
        if not args.json:
            _print_forecast(found, allowance, sys.stderr)
        if not found.runnable or not confirmed():
            return 1
        concurrency = args.concurrency or services.settings.concurrency
        batch = batches.begin(
            services, access, selection, concurrency=concurrency, per_minute=args.per_minute
        )
    ended = batches.execute(Runner(services), batch, show_progress if sys.stderr.isatty() else show_nothing)
    return _print_batch(ended, as_json=args.json)


def confirmed() -> bool:
    """Return whether the person agrees; without a terminal the call itself is the consent."""
    if not sys.stdin.isatty():
        return True
    print("Start? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def show_nothing(_batch: Batch) -> None:
    """Print nothing: where standard error is no terminal."""


def show_progress(batch: Batch) -> None:
    """Print how far a batch has come, over the line before.

    Args:
        batch: The batch as it is now.
    """
    from secondlook.views.figures import duration, money

    width = 30
    done = width * batch.finished // max(1, batch.total)
    left = "" if batch.left_s is None else f", about {duration(batch.left_s * 1000)} left"
    rate = "" if batch.per_minute_now is None else f", {batch.per_minute_now:.0f} per minute"
    line = f"[{'#' * done}{'.' * (width - done)}] {batch.finished}/{batch.total}{rate}{left}"
    print(f"\r{line}, {money(batch.cost_usd, estimated=False)}\033[K", end="", file=sys.stderr, flush=True)
    if batch.finished == batch.total:
        print(file=sys.stderr)


def _forecast_fields(found: Forecast, allowance: Allowance) -> dict[str, object]:
    return {
        "sources": found.sources,
        "runnable": found.runnable,
        "refused": dict(found.refused),
        "tokens": found.tokens,
        "cost_usd": None if found.cost_usd is None else float(found.cost_usd),
        "allowed": min(allowance.calls, found.runnable),
        "refusal": None if allowance.refusal is None else allowance.refusal.message,
    }


def _print_forecast(found: Forecast, allowance: Allowance, to: TextIO) -> None:
    from secondlook.views.figures import money, tokens

    print(f"{found.runnable:,} of {found.sources:,} sources can be run:", file=to)
    cost = money(found.cost_usd, estimated=True)
    print(f"{tokens(found.tokens, estimated=True)} tokens, {cost}.", file=to)
    for code, number in found.refused.most_common():
        print(f"Skipped: {number} ({code})", file=to)
    allowed = min(allowance.calls, found.runnable)
    refusal = allowance.refusal
    allowed_runs = "all runs" if refusal is None else f"{allowed:,} runs: {refusal.message}"
    print(f"The budgets allow {allowed_runs}", file=to)


def _print_batch(batch: Batch, *, as_json: bool) -> int:
    from secondlook.views.figures import batch_fields, money
    from secondlook.views.run import STATUS

    if as_json:
        print_json(batch_fields(batch))
        return 0
    counts = ", ".join(
        f"{batch.counts[each]} {words.lower()}" for each, words in STATUS.items() if batch.counts.get(each)
    )
    print(f"Batch {batch.batch_id}: {batch.status}; {counts}; {money(batch.cost_usd, estimated=False)}")
    for code, number in sorted(batch.failures.items()):
        print(f"Failed: {number} ({code})")
    return 0
