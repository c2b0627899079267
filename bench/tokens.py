"""Tokens of a whole call by o200k, next to the same with indented JSON and the schema as pydantic makes it.

The ranks come with the npm package gpt-tokenizer.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from pathlib import Path

from bench.line import Goal, Line, compared, measured, not_measured
from bench.table import show
from dev.local_supabase.node import NodeMissing, node
from secondlook.domain.buckets import AgentInput, BandCount, DecisionLatency, Demand, WeekCount
from secondlook.domain.snapshots import SnapshotResult
from secondlook.tasks.snapshot.prompt import estimate_usage, messages, right_answer
from secondlook.tasks.snapshot.schema import SNAPSHOT_RESULT

HERE = Path(__file__).parent
GOAL = Goal("≤", 950, "tokens")
PARTS = ("messages", "schema", "answer")
FIRST = date(2025, 1, 6)
COUNTS = (15, 18, 22, 9, 14, 31, 8, 12, 17, 20, 11, 16)


def example(weeks: int) -> AgentInput:
    """An input of so many weeks in a row."""

    def bands(*names: str) -> tuple[BandCount, ...]:
        return tuple(BandCount(band=band, count=c) for band, c in zip(names, (40, 75, 50, 28), strict=True))

    days = (FIRST + timedelta(weeks=number) for number in range(weeks))
    iso = [day.isocalendar() for day in days]
    return AgentInput(
        demand=Demand(
            weekly_volume=tuple(
                WeekCount(week=f"{year}-W{week:02d}", count=COUNTS[index % 12])
                for index, (year, week, _) in enumerate(iso)
            ),
            price_distribution=bands("<500", "500-1500", "1500-5000", "5000+"),
        ),
        decision_latency=DecisionLatency(distribution=bands("0-2d", "3-7d", "8-21d", "22+d")),
        estimate_count=193,
        confidence_level="high",
    )


def parts(agent_input: AgentInput) -> dict[str, str]:
    """The texts of a call as it is sent and answered, and as it would be without care."""
    sent = messages(agent_input)
    answer = right_answer(agent_input)
    return {
        "messages": "\n".join(entry["content"] for entry in sent),
        "schema": json.dumps(SNAPSHOT_RESULT, separators=(",", ":")),
        "answer": json.dumps(answer, separators=(",", ":")),
        "plain messages": sent[0]["content"] + "\n" + agent_input.model_dump_json(indent=2),
        "plain schema": json.dumps(SnapshotResult.model_json_schema()),
        "plain answer": json.dumps(answer, indent=2),
    }


def count(texts: Iterable[str]) -> list[int]:
    """Tokens of each text."""
    command = [str(node()), str(HERE / "tokens.mjs")]
    done = subprocess.run(
        command, input=json.dumps(list(texts)), capture_output=True, text=True, check=True, cwd=HERE
    )
    return json.loads(done.stdout)


def missing() -> str | None:
    """What is not here, and how to get it."""
    try:
        node()
    except NodeMissing as error:
        return str(error)
    return None if (HERE / "node_modules").is_dir() else "no gpt-tokenizer: `npm ci --prefix bench`"


def lines() -> Iterator[Line]:
    """The tokens of a call with 12 weeks against their goal; and a line for 12, 26 and 52 weeks."""
    what, why = "tokens of a whole call, {} weeks (o200k)", missing()
    if why is not None:
        yield not_measured(what.format(12), "", GOAL, why)
        return
    for weeks in (12, 26, 52):
        texts = parts(example(weeks))
        counted = dict(zip(texts, count(texts.values()), strict=True))
        ours, plain = (sum(counted[f"{of}{part}"] for part in PARTS) for of in ("", "plain "))
        if weeks == 12:
            made_of = ", ".join(f"{part} {counted[part]}" for part in PARTS)
            yield measured(what.format(weeks), "", made_of, ours, "tokens", GOAL)
        yield compared(what.format(weeks), "indented JSON, pydantic's schema", ours, plain, "tokens")


def main() -> None:
    """Print the parts of a call, and what the formulas of `agent.prompt` make of it."""
    rows: list[list[str]] = []
    for weeks in (12, 26, 52, 104):
        counted = count(parts(example(weeks)).values())[: len(PARTS)]
        estimated = estimate_usage(example(weeks))
        said = f"{estimated.prompt_tokens} + {estimated.completion_tokens}"
        rows.append([str(weeks), *map(str, counted), said])
    show(["weeks", *PARTS, "estimated: request + answer"], rows)
