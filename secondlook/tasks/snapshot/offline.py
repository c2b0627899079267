"""What a model should make of the prompt, read from the prompt alone: for the offline agent.

A run that was queued before an update keeps the prompt of its version: both layouts are read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from secondlook.domain.usage import Usage
from secondlook.tasks.snapshot.prompt import estimate_answer_tokens, estimate_prompt_tokens
from secondlook.tasks.snapshot.schema import PENDING


def answer_offline(prompt: str) -> tuple[dict[str, Any], Usage]:
    """The right answer, and about what it takes.

    Raises:
        ValueError: The prompt is of no known version.
    """
    result: dict[str, Any] = json.loads(prompt) if prompt.startswith("{") else _read_version_1(prompt)
    weeks = len(result["demand"]["weekly_volume"])
    prompt_tokens, completion_tokens = estimate_prompt_tokens(weeks), estimate_answer_tokens(weeks)
    return result, Usage(
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        total_tokens=prompt_tokens + completion_tokens,
        cached_tokens=0,
        estimated=True,
    )


_SECTIONS = ("weekly_volume", "price_distribution", "decision_latency")
_TOTALS = ("estimate_count", "confidence_level")


def _read_version_1(prompt: str) -> dict[str, Any]:
    """The right answer to a prompt of version 1: lines under the names of their lists, weeks by year."""
    buckets: dict[str, list[dict[str, Any]]] = {section: [] for section in _SECTIONS}
    totals: dict[str, str] = {}
    section = ""
    for line in prompt.splitlines():
        name, _, value = line.rpartition(":")
        if line in _SECTIONS:
            section = line
        elif year := re.match(r"([0-9]{4})-W ", line):
            weeks = re.findall(r"([0-9]{2}):([0-9]+)", line[year.end() :])
            buckets[section] += [{"week": f"{year[1]}-W{week}", "count": int(count)} for week, count in weeks]
        elif name in _TOTALS:
            totals[name] = value
        else:
            buckets[section].append({"band": name, "count": int(value)})
    return {
        "meta": {
            **dict.fromkeys(("snapshot_id", "source_id", "generated_at"), PENDING),
            "estimate_count": int(totals["estimate_count"]),
            "confidence_level": totals["confidence_level"],
        },
        "demand": {name: buckets[name] for name in ("weekly_volume", "price_distribution")},
        "decision_latency": {"distribution": buckets["decision_latency"]},
    }


ANSWERERS: Mapping[str, Callable[[str], tuple[dict[str, Any], Usage]]] = {"SnapshotResult": answer_offline}
"""By the name of the schema that is asked for."""
