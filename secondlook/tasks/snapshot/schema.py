"""The locked SnapshotResult as the strict JSON schema that is sent with every request.

Written out rather than generated: it is part of the contract, and every token of it is paid for on
every call. The two band lists share one definition, and what a schema cannot say (which weeks, which
bands, which counts) is left to validation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_STRING = {"type": "string"}
_INTEGER = {"type": "integer"}


def _object(properties: Mapping[str, object]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "additionalProperties": False,
        "required": list(properties),
    }


def _list_of(items: Mapping[str, object]) -> dict[str, Any]:
    return {"type": "array", "items": dict(items)}


_BANDS = {"$ref": "#/$defs/b"}

SNAPSHOT_RESULT: dict[str, Any] = {
    **_object(
        {
            "meta": _object(
                {
                    "snapshot_id": _STRING,
                    "source_id": _STRING,
                    "generated_at": _STRING,
                    "estimate_count": _INTEGER,
                    "confidence_level": _STRING,
                }
            ),
            "demand": _object(
                {
                    "weekly_volume": _list_of(_object({"week": _STRING, "count": _INTEGER})),
                    "price_distribution": _BANDS,
                }
            ),
            "decision_latency": _object({"distribution": _BANDS}),
        }
    ),
    "$defs": {"b": _list_of(_object({"band": _STRING, "count": _INTEGER}))},
}

RESPONSE_FORMAT: dict[str, Any] = {
    "type": "json_schema",
    "json_schema": {"name": "SnapshotResult", "strict": True, "schema": SNAPSHOT_RESULT},
}
