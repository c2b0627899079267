"""`secondlook runs show`: the details of one run."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from secondlook.cli.arguments import user_of
from secondlook.cli.identify import find_run
from secondlook.cli.printing import colored, print_hint, print_json
from secondlook.domain.untrusted_text import one_line

if TYPE_CHECKING:
    from secondlook.ledger.history import Call
    from secondlook.tasks.base import Trace
    from secondlook.tasks.checklist import Check
    from secondlook.views.run_details import RunDetails

_SIGNS = {"passed": "ok  ", "failed": "FAIL", "not_reached": "-   "}
_VERDICTS = {"accepted": "accepted", "refused": "rejected", "none": "not checked"}
_MOST_DIFFERENCES = 20


def add_show(runs: argparse.ArgumentParser) -> None:
    """Add `show` to the command that lists runs.

    Args:
        runs: That command's parser.
    """
    within = runs.add_subparsers(metavar="[show RUN_ID]")
    text = "Show the details of a run: what was sent, received and checked."
    show = within.add_parser("show", help=text, description=text)
    show.set_defaults(command=_show)
    show.add_argument("run_id", metavar="RUN_ID", help="id of the run, or its beginning")
    # Without them, those of `runs` count.
    show.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON")
    show.add_argument(
        "--user", metavar="U", default=argparse.SUPPRESS, help="the user's UUID; SECONDLOOK_USER by default"
    )


def _show(args: argparse.Namespace) -> int:
    from secondlook.services import connect
    from secondlook.views.run_details import details_fields, read_details

    services = connect()
    user = user_of(args, services)
    run_id = find_run(services, user, args.run_id)
    details = read_details(services.ledger, services.history, services.reviews, run_id, only=user)
    if args.json:
        print_json(details_fields(details))
    else:
        _print_details(details)
    return 0


def _print_details(details: RunDetails) -> None:
    run, view, found = details.run, details.view, details.trace
    print(f"Run {run.run_id}: {colored(view.status)}, number {run.number} of source {run.source_id}")
    print(f"Created {run.created_at}, agent {run.agent}, {one_line(run.model)}, prompt {run.prompt_version}")
    if run.error is not None:
        print(one_line(run.error.message, limit=1000))
        print_hint(run.error.hint, run.run_id)
    if run.answer is not None:
        what = "sentences accepted" if found.sentences else "values match"
        print(f"Answer {_VERDICTS[run.verdict]}: {found.matched} of {found.values} {what}")
        print(f"Cost: {view.cost}, tokens: {view.total_tokens}")
        for label, why in view.usage_problem.items():
            print(f"{label}: {why}")
    _print_trace(found)
    for call in details.calls:
        print(_call_line(call))
    for review in details.reviews:
        result = "Passed" if review.passed else "Failed"
        note = one_line(review.note, limit=1000)
        print(f"{result} by {one_line(review.reviewer)} at {review.reviewed_at}: {note}")


def _print_trace(found: Trace) -> None:
    for check in found.checks:
        print(_check_line(check))
    for each in found.sentences:
        result = "ok  " if each.rule is None else f"FAIL {each.rule}"
        print(f"{result}  sentence {each.position}: {one_line(each.shown or each.text, limit=1000)}")
    wrong = [cell for cell in found.cells if not cell.matches and cell.mark != "unread"]
    for cell in wrong[:_MOST_DIFFERENCES]:
        print(f"{cell.mark:8} {cell.path}: sent {cell.sent or 'nothing'}, received {cell.came or 'nothing'}")
    if len(wrong) > _MOST_DIFFERENCES:
        print(f"and {len(wrong) - _MOST_DIFFERENCES} more; --json prints all")
    for finding in found.findings:
        print(one_line(finding, limit=1000))


def _check_line(check: Check) -> str:
    where = f" at {check.path}" if check.path else ""
    return f"{colored(_SIGNS[check.state])}  {check.rule.words}" + (
        f" ({check.reason}{where})" if check.reason else ""
    )


def _call_line(call: Call) -> str:
    status = "" if call.http_status is None else f" ({call.http_status})"
    latency = "" if call.latency_ms is None else f", {call.latency_ms} ms"
    error = "" if call.error is None else f": {one_line(call.error, limit=1000)}"
    return f"Request {call.number} at {call.sent_at}: {call.outcome or 'in flight'}{status}{latency}{error}"
