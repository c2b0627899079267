"""The right answer to a snapshot's prompt, read from the prompt alone: for the offline agent."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from secondlook.domain.usage import Usage
from secondlook.tasks.snapshot.prompt import estimate_answer_tokens, estimate_prompt_tokens

_SECTIONS = ("weekly_volume", "price_distribution", "decision_latency")


def answer_offline(prompt: str) -> tuple[dict[str, Any], Usage]:
    """The right answer, and about what it takes."""
    result = answer(prompt)
    weeks = result["demand"]["weekly_volume"]
    prompt_tokens = estimate_prompt_tokens(len(weeks), len({week["week"][:4] for week in weeks}))
    completion_tokens = estimate_answer_tokens(len(weeks))
    return result, Usage(
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        total_tokens=prompt_tokens + completion_tokens,
        cached_tokens=0,
        estimated=True,
    )


def answer(prompt: str) -> dict[str, Any]:
    """What the model should make of a prompt: its aggregates, as SnapshotResult."""
    buckets: dict[str, list[dict[str, Any]]] = {section: [] for section in _SECTIONS}
    totals: dict[str, str] = {}
    section = ""
    for line in prompt.splitlines():
        if line in _SECTIONS:
            section = line
        elif year := re.match(r"([0-9]{4})-W ", line):
            for week, count in re.findall(r"([0-9]{2}):([0-9]+)", line[year.end() :]):
                buckets[section].append({"week": f"{year[1]}-W{week}", "count": int(count)})
        else:
            name, value = line.rsplit(":", 1)
            if name in {"estimate_count", "confidence_level"}:
                totals[name] = value
            else:
                buckets[section].append({"band": name, "count": int(value)})
    return {
        "meta": {
            "snapshot_id": "pending",
            "source_id": "pending",
            "generated_at": "pending",
            "estimate_count": int(totals["estimate_count"]),
            "confidence_level": totals["confidence_level"],
        },
        "demand": {
            "weekly_volume": buckets["weekly_volume"],
            "price_distribution": buckets["price_distribution"],
        },
        "decision_latency": {"distribution": buckets["decision_latency"]},
    }


ANSWERERS: Mapping[str, Callable[[str], tuple[dict[str, Any], Usage]]] = {"SnapshotResult": answer_offline}
"""By the name of the schema that is asked for."""
