"""Verdicts on real answers by a reading of its own: the standard library alone, nothing of the project.

`python judge.py answers.jsonl` writes the verdict into each line of a file that `python -m bench models
--answers` kept: what was sent (`input`), the body that came (`body`), and where both are from.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

PARTS = ("meta", "demand.weekly_volume", "demand.price_distribution", "decision_latency.distribution")


def verdict(sent: dict[str, Any], body: str) -> dict[str, Any]:
    """Whether an answer repeats its input; if not, why, and the first part of it that does not."""
    choice = json.loads(body)["choices"][0]
    if choice["finish_reason"] != "stop":
        return refused("truncated" if choice["finish_reason"] == "length" else "finish_reason")
    try:
        answer = json.loads(choice["message"]["content"])
    except ValueError:
        return refused("not_json")
    totals = {name: sent[name] for name in ("estimate_count", "confidence_level")}
    wanted = list(
        values({"meta": totals, "demand": sent["demand"], "decision_latency": sent["decision_latency"]})
    )
    identity = [f"meta.{name}" for name in ("snapshot_id", "source_id", "generated_at")]
    came = [(path, value) for path, value in values(answer) if path not in identity]
    if {shape(path) for path, _ in came} != {shape(path) for path, _ in wanted}:
        return refused("schema")
    for part in PARTS:
        if of(part, came) != of(part, wanted):
            return refused("mismatch", part)
    return {"accepted": True, "reason": None, "part": None}


def refused(reason: str, part: str | None = None) -> dict[str, Any]:
    """A verdict."""
    return {"accepted": False, "reason": reason, "part": part}


def values(value: object, path: str = "") -> Iterator[tuple[str, str]]:
    """Every value in a structure as JSON, by its path."""
    if isinstance(value, dict):
        for key, inner in cast("dict[str, object]", value).items():
            yield from values(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for place, inner in enumerate(cast("list[object]", value)):
            yield from values(inner, f"{path}[{place}]")
    else:
        yield path, json.dumps(value)


def shape(path: str) -> str:
    """A path without its places in lists."""
    return "".join(piece.partition("]")[2] if place else piece for place, piece in enumerate(path.split("[")))


def of(part: str, found: list[tuple[str, str]]) -> dict[str, str]:
    """The values of one part."""
    return {path: value for path, value in found if path.startswith(part)}


def main() -> None:
    """Write the verdicts."""
    file = Path(sys.argv[1])
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    judged = [{**line, "verdict": verdict(line["input"], line["body"])} for line in lines]
    file.write_text("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in judged))


if __name__ == "__main__":
    main()
