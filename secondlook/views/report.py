"""One snapshot on one page: HTML that is whole by itself, for print, PDF and filing. Pure.

It names the SHA-256 of the snapshot's canonical JSON, so that paper and file can be held against each other.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, NamedTuple

from secondlook.domain.runs import Run, RunStatus
from secondlook.domain.snapshots import Snapshot
from secondlook.domain.stored_snapshots import fingerprint
from secondlook.providers.table import is_local, label_of
from secondlook.tasks.snapshot.rules import count_matches
from secondlook.views.drawing import draw_bands, draw_weeks
from secondlook.views.figures import money
from secondlook.views.palette import colors

if TYPE_CHECKING:
    from jinja2 import Template


class Mark(NamedTuple):
    """A word about the snapshot; one that warns stands out."""

    text: str
    warns: bool = False


def write_report(snapshot: Snapshot, source_name: str, run: Run | None) -> str:
    """The report.

    Args:
        snapshot: What it is of.
        source_name: Its source's name; empty where that is gone.
        run: The run that made it; None where it was made elsewhere.
    """
    result = snapshot.result
    return _template().render(
        colors=colors("light"),
        title=_plain(source_name) or "A source that is gone",
        snapshot=snapshot,
        made_by=_made_by(run),
        marks=_marks(snapshot, run),
        charts=[
            draw_weeks(result.demand.weekly_volume),
            draw_bands("Price bands", result.demand.price_distribution),
            draw_bands("Decision latency", result.decision_latency.distribution),
        ],
        saw=messages_of(run),
        why_unseen="it was made elsewhere" if run is None else "what was sent has been erased",
        facts=_facts(snapshot, run),
    )


def messages_of(run: Run | None) -> list[str]:
    """The texts that were sent to the agent, as they were sent; none where they are not known any more."""
    sent: Any = None if run is None else run.request.get("messages")
    return [str(message["content"]) for message in sent or ()]


def matches(snapshot: Snapshot, run: Run | None) -> tuple[int, int]:
    """How many values equal what was sent, of how many; (0, 0) where that is not known."""
    return (0, 0) if run is None else count_matches(snapshot.result, run.agent_input)


def validated(snapshot: Snapshot, run: Run | None) -> bool:
    """Whether a run of this ledger made the snapshot, and it still holds what was accepted then."""
    matched, values = matches(snapshot, run)
    return run is not None and run.status is RunStatus.DONE and matched == values


def standing(snapshot: Snapshot, run: Run | None) -> Mark:
    """What can be said of it: that it equals what was sent, or that this is not known here or any more."""
    if validated(snapshot, run):
        matched, values = matches(snapshot, run)
        return Mark(f"validated: {matched} of {values} values match the buckets")
    if run is not None and run.status is RunStatus.DONE and run.erased_at is not None:
        return Mark("validated when it was made; what was sent has been erased", warns=True)
    return Mark("stored, not checked here", warns=True)


def _made_by(run: Run | None) -> str:
    if run is None:
        return "by another program"
    model = run.answered_model or run.model
    label = label_of(run.agent)
    return f"by the {label.lower()}, in place of {model}" if is_local(run.agent) else f"by {model} of {label}"


def _marks(snapshot: Snapshot, run: Run | None) -> list[Mark]:
    marks = [standing(snapshot, run)]
    if run is not None and run.rehearsal:
        marks.append(Mark(f"of a rehearsal: {run.model}", warns=True))
    if run is not None and is_local(run.agent):
        marks.append(Mark(f"{label_of(run.agent).lower()}: usage is estimated", warns=True))
    return marks


def _facts(snapshot: Snapshot, run: Run | None) -> dict[str, str]:
    facts = {
        "Snapshot": snapshot.snapshot_id,
        "Source": snapshot.source_id,
        "SHA-256 of the JSON": fingerprint(snapshot.result),
        "Check it": "jq -cjS . snapshot.json | sha256sum",
    }
    if run is None:
        return facts
    estimated = "≈ " if run.usage.estimated else ""

    def tokens(count: int | None) -> str:
        return "unknown" if count is None else f"{estimated}{count:,}"

    return {
        **facts,
        "Model asked": run.model,
        "Model answered": run.answered_model or "unknown",
        "Agent": label_of(run.agent),
        "Prompt version": run.prompt_version,
        "Prompt tokens": tokens(run.usage.prompt_tokens),
        "Answer's tokens": tokens(run.usage.completion_tokens),
        **(
            {}
            if run.usage.reasoning_tokens is None
            else {"Of these, reasoning": tokens(run.usage.reasoning_tokens)}
        ),
        "Cost": money(run.cost_usd, estimated=run.usage.estimated),
        "Requests sent": str(run.attempts),
        "Request id": run.request_id or "unknown",
        "Warnings": "; ".join(run.warnings) or "none",
    }


def _plain(text: str) -> str:
    """A foreign name in one line, not too long; markup in it is escaped by the template."""
    text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return text if len(text) <= 120 else text[:119] + "…"


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    text = resources.files("secondlook.views").joinpath("report.html").read_text(encoding="utf-8")
    return Environment(autoescape=True, undefined=StrictUndefined).from_string(text)
