"""The locked SnapshotResult as the strict JSON schema that is sent with every request.

Written out rather than generated: it is part of the contract, and every token of it is paid for on
every call. It is as narrow as it can be without depending on the input, since a provider compiles each new
schema once, which can take seconds; it keeps to the keywords that OpenAI's strict mode supports. What it
does not say (which weeks, which counts, the bands' order) is left to validation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from secondlook.domain.buckets import LatencyBand, PriceBand

PENDING = "pending"
"""What the agent answers for the identity of a snapshot, which it does not know."""

_COUNT = {"type": "integer", "minimum": 0}
_WEEK = {"type": "string", "pattern": "^[0-9]{4}-W[0-5][0-9]$"}


def answer_schema(weeks: int | None = None) -> dict[str, Any]:
    """The schema of an answer.

    Args:
        weeks: The number of weeks that it must list, for providers that compile schemas for nothing
            (llama.cpp, vLLM); None leaves it open.
    """
    pending = _one_of([PENDING])
    meta = {
        "snapshot_id": pending,
        "source_id": pending,
        "generated_at": pending,
        "estimate_count": _COUNT,
        "confidence_level": _one_of(["low", "medium", "high"]),
    }
    demand = {
        "weekly_volume": _list_of(_object({"week": _WEEK, "count": _COUNT}), weeks),
        "price_distribution": _bands(PriceBand),
    }
    latency = {"distribution": _bands(LatencyBand)}
    return _object({"meta": _object(meta), "demand": _object(demand), "decision_latency": _object(latency)})


def _object(properties: Mapping[str, object]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "additionalProperties": False,
        "required": list(properties),
    }


def _one_of(values: Iterable[str]) -> dict[str, Any]:
    return {"type": "string", "enum": [str(value) for value in values]}


def _list_of(items: Mapping[str, object], length: int | None) -> dict[str, Any]:
    size = {} if length is None else {"minItems": length, "maxItems": length}
    return {"type": "array", "items": dict(items), **size}


def _bands(bands: type[PriceBand] | type[LatencyBand]) -> dict[str, Any]:
    return _list_of(_object({"band": _one_of(bands), "count": _COUNT}), len(bands))


SNAPSHOT_RESULT = answer_schema()

RESPONSE_FORMAT: dict[str, Any] = {
    "type": "json_schema",
    "json_schema": {"name": "SnapshotResult", "strict": True, "schema": SNAPSHOT_RESULT},
}
