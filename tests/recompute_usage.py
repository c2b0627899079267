"""The figures of Usage again, from nothing but the exported lists of runs and calls.

A program of its own: it knows nothing of the project, only what docs/dashboard.md says of each figure.

    secondlook usage --each run --csv >runs.csv; secondlook usage --each call --csv >calls.csv
    python tests/recompute_usage.py runs.csv calls.csv day model
"""

from __future__ import annotations

import csv
import json
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path

Row = dict[str, str]
Figures = dict[str, object]

KEYS = {"model": "model", "user": "user_id", "source": "source_id", "status": "status", "task": "task"}
TOKENS = ("prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens")
OUTCOMES = ("answered", "refused", "not_processed", "unknown", "under_way")


def read(path: str) -> list[Row]:
    """The rows of a CSV file."""
    with Path(path).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def key_of(row: Row, by: str, at: str) -> str:
    """Which row of the figures it belongs to."""
    return row[at][:10] if by == "day" else row[KEYS[by]].removeprefix("'")


def put(
    found: Figures, name: str, rows: Sequence[Row], kind: Callable[[str], Decimal | int], *, doubtful: int = 0
) -> None:
    """A sum, what is known of it, and of how many calls it is unknown."""
    column = "cost_usd" if name.endswith("cost_usd") else name
    known = [kind(row[column]) for row in rows if row[column] != ""]
    unknown = len(rows) - len(known) + doubtful
    found[f"{name}_known"] = sum(known)
    found[name] = None if unknown else sum(known)
    found[f"{name}_unknown"] = unknown


def percentile(values: Sequence[int], percent: int) -> int | None:
    """Nearest rank: the smallest value that at least so many percent of all do not exceed."""
    for rank, value in enumerate(sorted(values), 1):
        if rank * 100 >= percent * len(values):
            return value
    return None


def figures(runs: Sequence[Row], calls: Sequence[Row]) -> Figures:
    """All figures of some runs and calls."""
    statuses = [run["status"] for run in runs]
    done, failed = statuses.count("done"), statuses.count("failed")
    found: Figures = {"runs": len(runs)}
    for status in ("done", "failed", "in_doubt", "cancelled"):
        found[status] = statuses.count(status)
    found["open"] = sum(status in {"queued", "calling", "answered"} for status in statuses)
    found["failure_rate"] = failed / (done + failed) if done + failed else None
    outcomes = [call["outcome"] or "under_way" for call in calls]
    found["calls"] = len(calls)
    for outcome in OUTCOMES:
        found[f"calls_{outcome}"] = outcomes.count(outcome)
    ended = [outcome for outcome in outcomes if outcome != "under_way"]
    broken = sum(outcome != "answered" for outcome in ended)
    found["call_error_rate"] = broken / len(ended) if ended else None
    answers = [call for call in calls if call["outcome"] == "answered"]
    doubtful = [call for call in calls if call["outcome"] == "unknown"]
    rejected = [call for call in answers if call["error_code"] == "answer_rejected"]
    found["answers_rejected"] = len(rejected)
    found["answers_estimated"] = sum(call["estimated"] == "true" for call in answers)
    for name in TOKENS:
        put(found, name, answers, int, doubtful=len(doubtful))
    asked_openai = sum(call["agent"] == "openai" for call in doubtful)
    put(found, "cost_usd", of_estimated(answers, "false"), Decimal, doubtful=asked_openai)
    put(found, "estimated_cost_usd", of_estimated(answers, "true"), Decimal)
    put(found, "rejected_cost_usd", of_estimated(rejected, "false"), Decimal)
    told = [call for call in answers if call["provider_ms"] != ""]
    durations = {
        "call_ms": [int(call["latency_ms"]) for call in answers],
        "provider_ms": [int(call["provider_ms"]) for call in told],
        "own_ms": [max(0, int(call["latency_ms"]) - int(call["provider_ms"])) for call in told],
    }
    for name, values in durations.items():
        found[f"{name}_p50"], found[f"{name}_p95"] = percentile(values, 50), percentile(values, 95)
        found[f"{name}_known"] = len(values)
    failures: dict[str, int] = defaultdict(int)
    for run in runs:
        if run["status"] == "failed":
            failures[run["error_code"]] += 1
    return {**found, "failures": dict(failures)}


def of_estimated(answers: Sequence[Row], estimated: str) -> list[Row]:
    """Those whose usage is an estimate, or those whose usage is not."""
    return [answer for answer in answers if answer["estimated"] == estimated]


def recompute(runs: Sequence[Row], calls: Sequence[Row], by: str) -> Figures:
    """The figures in all, and by key."""
    grouped: dict[str, tuple[list[Row], list[Row]]] = defaultdict(lambda: ([], []))
    for run in runs:
        grouped[key_of(run, by, "created_at")][0].append(run)
    for call in calls:
        grouped[key_of(call, by, "sent_at")][1].append(call)
    rows = {key: figures(*parts) for key, parts in grouped.items()}
    return {"total": figures(runs, calls), "rows": rows}


if __name__ == "__main__":
    made, sent = read(sys.argv[1]), read(sys.argv[2])
    json.dump({by: recompute(made, sent, by) for by in sys.argv[3:]}, sys.stdout, default=str)
