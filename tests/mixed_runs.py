"""Ledgers of many runs that never ran: every state, several users, days and models, from a seed.

Rows are made as the ledger writes them, and inserted past it: ten thousand runs take a second.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from secondlook.domain.runs import SNAPSHOT, RunError
from secondlook.ledger.database import ledger_database
from secondlook.ledger.rows import iso
from secondlook.ledger.runs import open_ledger
from secondlook.ledger.tables import calls, runs
from tests.examples import MODEL, OTHER_USER, USER, body_of, echo, example_input

DAY = 86_400
NOON = 1_795_348_800.0
"""2026-11-22T12:00:00Z."""

TASKS = (SNAPSHOT, "another", "a third")
"""Tasks for ledgers whose runs are counted, and not opened."""

USERS = (USER, OTHER_USER, "c0000000-0000-4000-8000-00000000000c")
MODELS = (MODEL, "gpt-4o-mini", "unpriced-1", "=cmd|' /C calc'!A0")
ENDS = ("done", "done", "done", "rejected", "refused", "in_doubt", "cancelled", "queued", "calling", "budget")
_OPEN = {"in_doubt", "queued", "calling"}


@dataclass
class Mixed:
    """Rows of the two tables."""

    runs: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    calls: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])


def mixed(
    number: int,
    *,
    seed: int = 1,
    days: int = 45,
    until: float = NOON,
    sources: int = 400,
    tasks: Sequence[str] = (SNAPSHOT,),
) -> Mixed:
    """So many runs of the days until then, with what can become of a run and of its calls.

    Args:
        number: How many runs.
        seed: The same gives the same.
        days: Over how many days they are spread.
        until: When the last of them may begin, in seconds since 1970.
        sources: How many sources each user has.
        tasks: Which tasks they are of, in turn.
    """
    chance = random.Random(seed)  # noqa: S311 -- nothing secret
    made = Mixed()
    open_sources: set[str] = set()
    body = body_of(echo())
    agent_input = example_input().model_dump_json()
    for index in range(number):
        user = chance.choice(USERS)
        source = str(UUID(int=(USERS.index(user) + 1) << 64 | chance.randrange(sources), version=4))
        end = chance.choice(ENDS)
        if end in _OPEN and source in open_sources:
            end = "done"  # one unfinished run per source
        if end in _OPEN:
            open_sources.add(source)
        run_id = str(UUID(int=chance.getrandbits(128), version=4))
        agent = "offline" if chance.random() < 0.2 else "openai"
        model = chance.choice(MODELS)
        created = until - chance.uniform(0, days * DAY)
        task = tasks[index % len(tasks)]
        own = [{**call, "task": task} for call in _calls(chance, run_id, created, end, agent, model, body)]
        answered = [call["number"] for call in own if call["outcome"] == "answered"]
        made.calls += own
        made.runs.append(
            {
                "run_id": run_id,
                "source_id": source,
                "user_id": user,
                "number": index + 1,
                "agent": agent,
                "model": model,
                "prompt_version": "1",
                "input": agent_input,
                "request": json.dumps({"model": model, "messages": [{"role": "user", "content": "x" * 900}]}),
                "warnings": "[]",
                "status": {"rejected": "failed", "refused": "failed", "budget": "failed"}.get(end, end),
                "attempts": len(own),
                "answered_call": answered[0] if answered and end in {"done", "rejected"} else None,
                "generated_at": iso(created) if end in {"done", "rejected"} else None,
                "error_code": _CODES.get(end),
                "error": _error(end),
                "timings": "{}",
                "owner": None,
                "lease_until": 0,
                "created_at": created,
                "started_at": created if own else None,
                "finished_at": None if end in _OPEN else created + 3,
                "store": "embedded",
                "batch_id": None,
                "due_at": None,  # nobody takes them up
                "task": task,
            }
        )
    return made


_CODES = {
    "rejected": "answer_rejected",
    "refused": "provider_error",
    "budget": "over_budget",
    "in_doubt": "in_doubt",
}


def _error(end: str) -> str | None:
    if end not in _CODES:
        return None
    return RunError(code=_CODES[end], message="No", reason="mismatch", path="meta").model_dump_json()


def _calls(
    chance: random.Random, run_id: str, created: float, end: str, agent: str, model: str, body: str
) -> Iterator[dict[str, Any]]:
    outcomes = ["not_processed"] * chance.choice((0, 0, 0, 1, 2)) if end != "budget" else []
    outcomes += {
        "done": ["answered"],
        "rejected": ["answered"],
        "refused": ["refused"],
        "in_doubt": ["unknown"],
        "cancelled": chance.choice((["unknown"], ["answered"], [])),
        "calling": [None],
    }.get(end, [])
    if end == "done" and chance.random() < 0.05:
        outcomes.insert(0, "answered")  # outcome unknown, sent again, and then answered twice
        if chance.random() < 0.5:
            outcomes.append("unknown")
    sent = created
    for number, outcome in enumerate(outcomes, 1):
        sent += chance.choice((0.2, 0.2, 30, DAY / 3))
        row: dict[str, Any] = dict.fromkeys((column.name for column in calls.c), None)
        row.update(run_id=run_id, number=number, sent_at=sent, outcome=outcome)
        if outcome is not None:
            row["ended_at"] = sent + 2
        if outcome == "refused":
            row.update(http_status=chance.choice((400, 401, 500)), error="No")
        if outcome == "not_processed":
            row.update(http_status=chance.choice((None, 429, 503)), error="Later")
        if outcome == "unknown":
            row["error"] = "Silence"
        if outcome == "answered":
            row.update(_answer(chance, agent, model, body))
        yield row


def _answer(chance: random.Random, agent: str, model: str, body: str) -> dict[str, Any]:
    known = chance.random() > 0.05
    latency = round(chance.lognormvariate(7, 0.6))
    return {
        "http_status": 200,
        "request_id": f"req_{chance.getrandbits(32)}",
        "model": chance.choice((model, model, model, None)),
        "body": body,
        "prompt_tokens": chance.randrange(200, 2_000) if known else None,
        "completion_tokens": chance.randrange(100, 900) if known else None,
        "total_tokens": chance.randrange(300, 2_900) if known else None,
        "cached_tokens": chance.choice((None, 0, 128)) if known else None,
        "estimated": agent == "offline",
        "cost_nanousd": chance.randrange(10**5, 10**8) if known and model != "unpriced-1" else None,
        "latency_ms": latency,
        "provider_ms": chance.choice((None, round(latency * chance.random()))),
    }


def insert(where: Path | str, made: Mixed) -> None:
    """Put the rows into a ledger, made where it is missing."""
    open_ledger(where, lease_seconds=15).close()
    database = ledger_database(where)

    def write(connection: sa.Connection) -> None:
        connection.execute(sa.insert(runs), made.runs)
        if made.calls:
            connection.execute(sa.insert(calls), made.calls)

    database.write(write)
    database.close()
