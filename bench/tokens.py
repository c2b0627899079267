"""Tokens of a whole call by o200k, next to the same with indented JSON and the schema as pydantic makes it.

Needs Node and `npm ci --prefix bench`: the ranks come with the npm package gpt-tokenizer.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path

from bench.table import show
from secondlook.agent.prompt import estimate_usage, messages
from secondlook.agent.schema import SNAPSHOT_RESULT
from secondlook.models import AgentInput, BandCount, DecisionLatency, Demand, SnapshotResult, WeekCount
from secondlook.validation.answer import expected_answer

HERE = Path(__file__).parent
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
    compact = {"separators": (",", ":")}
    sent = messages(agent_input)
    answer = expected_answer(agent_input)
    answer["meta"] = {
        key: "pending" if value is str else value
        for key, value in answer["meta"].items()  # pyright: ignore[reportAttributeAccessIssue, reportUnknownVariableType, reportUnknownMemberType]
    }
    return {
        "messages": "\n".join(entry["content"] for entry in sent),
        "schema": json.dumps(SNAPSHOT_RESULT, **compact),  # pyright: ignore[reportArgumentType]
        "answer": json.dumps(answer, **compact),  # pyright: ignore[reportArgumentType]
        "plain messages": sent[0]["content"] + "\n" + agent_input.model_dump_json(indent=2),
        "plain schema": json.dumps(SnapshotResult.model_json_schema()),
        "plain answer": json.dumps(answer, indent=2),
    }


def count(texts: Iterable[str]) -> list[int]:
    """Tokens of each text."""
    command = ["node", str(HERE / "tokens.mjs")]
    done = subprocess.run(
        command, input=json.dumps(list(texts)), capture_output=True, text=True, check=True, cwd=HERE
    )
    return json.loads(done.stdout)


def main() -> None:
    """Print tokens for 12, 26 and 52 weeks."""
    rows: list[list[str]] = []
    for weeks in (12, 26, 52):
        agent_input = example(weeks)
        texts = parts(agent_input)
        counted = dict(zip(texts, count(texts.values()), strict=True))
        ours = counted["messages"] + counted["schema"] + counted["answer"]
        plain = counted["plain messages"] + counted["plain schema"] + counted["plain answer"]
        estimated = estimate_usage(agent_input)
        rows.append(
            [
                str(weeks),
                *(str(counted[part]) for part in ("messages", "schema", "answer")),
                str(ours),
                f"{estimated.prompt_tokens} + {estimated.completion_tokens}",
                str(plain),
                f"{ours / plain:.2f}",
            ]
        )
    show(["weeks", "messages", "schema", "answer", "in all", "estimated", "plain", "x plain"], rows)
