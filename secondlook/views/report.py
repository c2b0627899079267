"""The report of one snapshot: a self-contained HTML page for print, PDF and filing. Pure.

It names the SHA-256 of the snapshot's canonical JSON, so that paper and file can be compared.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, NamedTuple

from secondlook.domain.runs import Run
from secondlook.domain.snapshots import Snapshot
from secondlook.domain.stored_snapshots import fingerprint
from secondlook.domain.untrusted_text import one_line
from secondlook.providers.table import is_local, label_of
from secondlook.views.drawing import draw_bands, draw_weeks
from secondlook.views.palette import colors
from secondlook.views.run import view_run
from secondlook.views.snapshot import SnapshotView

if TYPE_CHECKING:
    from jinja2 import Template

_MESSAGE_LENGTH = 1200
"""Characters of a message that are printed: the report is one page."""


class Mark(NamedTuple):
    """A label of the snapshot; a warning is highlighted."""

    text: str
    warns: bool = False


def write_report(view: SnapshotView) -> str:
    """Return the report of a snapshot as HTML."""
    snapshot, run, result = view.snapshot, view.run, view.result
    return _template().render(
        colors=colors("light"),
        title=one_line(view.title, 120),
        snapshot=snapshot,
        made_by=_made_by(run),
        marks=_marks(view),
        charts=[
            draw_weeks(result.demand.weekly_volume),
            draw_bands("Price bands", result.demand.price_distribution),
            draw_bands("Decision latency", result.decision_latency.distribution),
        ],
        messages=[_beginning(message) for message in view.messages],
        why_unknown="another program made this snapshot" if run is None else "what was sent has been erased",
        facts=_facts(snapshot, run),
    )


def _beginning(message: str) -> str:
    """A message as far as it fits on the page."""
    if len(message) <= _MESSAGE_LENGTH:
        return message
    return f"{message[:_MESSAGE_LENGTH]}… ({len(message):,} characters: Run details show them all)"


def _made_by(run: Run | None) -> str:
    if run is None:
        return "by another program"
    model = run.answered_model or run.model
    label = label_of(run.agent)
    return f"by the {label.lower()}, in place of {model}" if is_local(run.agent) else f"by {model} of {label}"


def _marks(view: SnapshotView) -> list[Mark]:
    run = view.run
    marks = [Mark(view.verification.text, warns=not view.verification.validated)]
    if run is not None and run.rehearsal:
        marks.append(Mark(f"Rehearsal: {run.model}", warns=True))
    if run is not None and is_local(run.agent):
        marks.append(Mark(f"{label_of(run.agent)}: usage is estimated", warns=True))
    return marks


def _facts(snapshot: Snapshot, run: Run | None) -> dict[str, str]:
    facts = {
        "Snapshot": snapshot.snapshot_id,
        "Source": snapshot.source_id,
        "SHA-256 of the JSON": fingerprint(snapshot.result),
        "Check the hash": "jq -cjS . snapshot.json | sha256sum",
    }
    if run is None:
        return facts
    shown = view_run(run)
    return {
        **facts,
        "Model asked": run.model,
        "Model answered": shown.answered_model,
        "Agent": shown.agent,
        "Prompt version": run.prompt_version,
        "Prompt tokens": shown.prompt_tokens,
        "Completion tokens": shown.completion_tokens,
        **shown.reasoning,
        **shown.usage_problem,
        "Cost": shown.cost,
        "Requests sent": str(run.attempts),
        "Request id": run.request_id or "unknown",
        "Warnings": "; ".join(run.warnings) or "none",
    }


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    text = resources.files("secondlook.views").joinpath("report.html").read_text(encoding="utf-8")
    return Environment(autoescape=True, undefined=StrictUndefined).from_string(text)
