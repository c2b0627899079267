"""What many tests start from: one source, its buckets, the right answer to them."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from datetime import date
from typing import Any, TypeAlias, TypeVar

from secondlook.domain.answers import AgentAnswer
from secondlook.domain.bucket_rules import build_input, read_buckets
from secondlook.domain.buckets import AgentInput
from secondlook.domain.runs import SNAPSHOT as SNAPSHOT_TASK
from secondlook.domain.runs import Plan
from secondlook.domain.snapshots import Snapshot, SnapshotResult
from secondlook.domain.usage import Usage
from secondlook.providers.openai.protocol import OpenAI
from secondlook.settings import load_settings
from secondlook.stores.samples import PRACTICE_USERS
from secondlook.tasks.snapshot.prompt import PROMPT_VERSION, question

Json: TypeAlias = Any  # whatever JSON holds

USER, OTHER_USER = PRACTICE_USERS
NOBODY = "c0000000-0000-4000-8000-00000000000c"
SOURCE = "11111111-2222-4333-8444-555555555555"
SNAPSHOT = "99999999-2222-4333-8444-555555555555"
TODAY = date(2026, 11, 22)
MODEL = "gpt-4o-2024-08-06"

_ROW: dict[str, Any] = {
    "price_band_lt_500": 10,
    "price_band_500_1500": 25,
    "price_band_1500_5000": 0,
    "price_band_5000_plus": 0,
    "latency_band_0_2": 20,
    "latency_band_3_7": 15,
    "latency_band_8_21": 0,
    "latency_band_22_plus": 0,
    "weekly_volume": [{"week": "2026-W01", "count": 15}, {"week": "2026-W02", "count": 20}],
}


T = TypeVar("T")


def some(value: T | None) -> T:
    """A value that is there."""
    assert value is not None
    return value


def bucket_row(**changes: object) -> dict[str, Any]:
    """A valid buckets row of 35 estimates, with these columns changed."""
    return {**copy.deepcopy(_ROW), **changes}


def weeks(*pairs: tuple[str, int]) -> list[dict[str, object]]:
    """A weekly volume."""
    return [{"week": week, "count": count} for week, count in pairs]


def many_weeks(number: int, count: int = 1) -> list[dict[str, object]]:
    """So many different weeks of the past."""
    names = [f"{2000 + index // 52}-W{index % 52 + 1:02d}" for index in range(number)]
    return weeks(*((name, count) for name in names))


def example_input(row: Mapping[str, object] | None = None, estimate_count: int = 35) -> AgentInput:
    """The agent's input of a buckets row."""
    return build_input(read_buckets(row or bucket_row(), today=TODAY), estimate_count)


def echo(agent_input: AgentInput | None = None) -> dict[str, Any]:
    """The right answer, as the model gives it."""
    given = (agent_input or example_input()).model_dump(mode="json")
    return {
        "meta": {
            "snapshot_id": "pending",
            "source_id": "pending",
            "generated_at": "pending",
            "estimate_count": given["estimate_count"],
            "confidence_level": given["confidence_level"],
        },
        "demand": given["demand"],
        "decision_latency": given["decision_latency"],
    }


def completion(content: object, *, finish_reason: object = "stop", **message: object) -> dict[str, Any]:
    """A chat completion; content that is not a text is written as compact JSON."""
    text = (
        content if isinstance(content, str) or content is None else json.dumps(content, separators=(",", ":"))
    )
    return {
        "object": "chat.completion",
        "model": MODEL,
        "choices": [
            {
                "index": 0,
                "finish_reason": finish_reason,
                "message": {"role": "assistant", "content": text, "refusal": None, **message},
            }
        ],
        "usage": {
            "prompt_tokens": 400,
            "completion_tokens": 150,
            "total_tokens": 550,
            "prompt_tokens_details": {"cached_tokens": 100},
        },
    }


def body_of(content: object, **changes: Json) -> str:
    """The body of a chat completion."""
    return json.dumps(completion(content, **changes))


def example_answer(body: str | None = None, **changes: Json) -> AgentAnswer:
    """An answer as it is journaled."""
    fields: dict[str, Any] = {
        "body": body_of(echo()) if body is None else body,
        "usage": Usage(prompt_tokens=400, completion_tokens=150, total_tokens=550, cached_tokens=100),
        "model": MODEL,
        "request_id": "req_1",
        "latency_ms": 12,
        "provider_ms": 7,
    }
    return AgentAnswer(**{**fields, **changes})


def example_snapshot(
    snapshot_id: str = SNAPSHOT,
    source_id: str = SOURCE,
    user_id: str = USER,
    generated_at: str = "2026-11-22T10:00:00Z",
    agent_input: AgentInput | None = None,
    **meta: Json,
) -> Snapshot:
    """A stored snapshot; its result's meta, and the columns that repeat it, can be changed."""
    identity = {"snapshot_id": snapshot_id, "source_id": source_id, "generated_at": generated_at}
    answer = echo(agent_input)
    result = {**answer, "meta": {**answer["meta"], **identity, **meta}}
    read = SnapshotResult.model_validate(result, strict=False)
    return Snapshot(
        snapshot_id=snapshot_id,
        source_id=source_id,
        user_id=user_id,
        estimate_count=read.meta.estimate_count,
        confidence_level=read.meta.confidence_level,
        result=read,
        generated_at=generated_at,
    )


def example_request(agent_input: AgentInput | None = None) -> Json:
    """The body of a request to OpenAI, by the current settings."""
    return OpenAI(load_settings()).build_request(question(agent_input or example_input()))


def example_plan(source_id: str = SOURCE, user_id: str = USER, **changes: Json) -> Plan:
    """A run that only needs to be queued."""
    agent_input = example_input()
    fields: dict[str, Any] = {
        "task": SNAPSHOT_TASK,
        "source_id": source_id,
        "user_id": user_id,
        "agent": "offline",
        "model": MODEL,
        "prompt_version": PROMPT_VERSION,
        "input": agent_input.model_dump_json(),
        "request": example_request(agent_input),
        "warnings": (),
        "timings": {"load": 1.0, "check": 1.0},
    }
    return Plan(**{**fields, **changes})
