"""The report of one snapshot for stakeholders: a self-contained HTML page for print and PDF. Pure.

It says what stands out, draws the charts, and ends with small print: ids, prompt, and the SHA-256 of the
snapshot's canonical JSON, so that paper and file can be compared.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import timedelta
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, NamedTuple

from secondlook.domain.buckets import WeekCount
from secondlook.domain.runs import Run
from secondlook.domain.stored_snapshots import fingerprint
from secondlook.domain.untrusted_text import one_line
from secondlook.domain.weeks import monday_of
from secondlook.providers.table import is_local, label_of
from secondlook.tasks.insights.wording import day_text
from secondlook.views.drawing import draw_bands, draw_weeks
from secondlook.views.insights import InsightsView, written
from secondlook.views.palette import colors
from secondlook.views.run import view_run
from secondlook.views.snapshot import SnapshotView

if TYPE_CHECKING:
    from jinja2 import Template


class Mark(NamedTuple):
    """A label of the snapshot; a warning is highlighted."""

    text: str
    warns: bool = False


def write_report(view: SnapshotView, insights: InsightsView) -> str:
    """Return the report of a snapshot as HTML.

    Args:
        view: The snapshot.
        insights: What stands out in it.
    """
    snapshot, run, result = view.snapshot, view.run, view.result
    return _template().render(
        colors=colors("light"),
        title=one_line(view.title, 120),
        snapshot=snapshot,
        made_by=_made_by(run),
        period=_period(result.demand.weekly_volume),
        headline=None if insights.headline is None else _unbroken(insights.headline.text),
        sentences=[_unbroken(each.text) for each in insights.insights],
        told_by=_told_by(insights),
        marks=_marks(view),
        charts=[
            draw_weeks(result.demand.weekly_volume),
            draw_bands("Price bands", result.demand.price_distribution),
            draw_bands("Decision latency", result.decision_latency.distribution),
        ],
        small_print={**_small_print(view), **_about_sentences(insights)},
    )


def _unbroken(text: str) -> str:
    return text.replace(" %", "\u00a0%")  # a line does not begin with it


def _period(weeks: Sequence[WeekCount]) -> str:
    """From the first day of the first week to the last day of the last, as people write days."""
    try:
        mondays = [monday_of(week.week) for week in weeks]
        return f"{day_text(min(mondays))} to {day_text(max(mondays) + timedelta(days=6))}"
    except (ValueError, OverflowError):
        return "unknown period"


def _told_by(insights: InsightsView) -> str:
    if written(insights) is None or insights.run is None:
        return "Sentences and numbers are computed from the snapshot."
    return f"Sentences {_made_by(insights.run)}; every number in them is computed from the snapshot."


def _about_sentences(insights: InsightsView) -> dict[str, str]:
    run = insights.run
    if written(insights) is None or run is None:
        return {}
    return {"Sentences": f"run {run.run_id}, prompt version {run.prompt_version}"}


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


def _small_print(view: SnapshotView) -> dict[str, str]:
    snapshot, run = view.snapshot, view.run
    told = {
        "Snapshot": snapshot.snapshot_id,
        "Source": snapshot.source_id,
        "SHA-256 of the JSON": fingerprint(snapshot.result),
        "Check the hash": "jq -cjS . snapshot.json | sha256sum",
    }
    if run is None:
        return {**told, "Prompt": "unknown: another program made this snapshot"}
    shown = view_run(run)
    return {
        **told,
        "Model asked": run.model,
        "Model answered": shown.answered_model,
        "Agent": shown.agent,
        "Prompt": f"version {run.prompt_version}, {_prompt_hash(view.messages)}",
        "Prompt tokens": shown.prompt_tokens,
        "Completion tokens": shown.completion_tokens,
        **shown.reasoning,
        **shown.usage_problem,
        "Cost": shown.cost,
        "Requests sent": str(run.attempts),
        "Request id": run.request_id or "unknown",
        "Warnings": "; ".join(run.warnings) or "none",
    }


def _prompt_hash(messages: Sequence[str]) -> str:
    if not messages:
        return "what was sent has been erased"
    return f"SHA-256 of its messages as JSON {hashlib.sha256(json.dumps(messages).encode()).hexdigest()}"


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    text = resources.files("secondlook.views").joinpath("report.html").read_text(encoding="utf-8")
    return Environment(autoescape=True, undefined=StrictUndefined).from_string(text)
