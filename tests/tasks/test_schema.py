"""The schema that is sent is frozen: a change of it is a visible change of this file."""

from __future__ import annotations

from typing import Any

from secondlook.domain.snapshots import SnapshotResult
from secondlook.tasks.snapshot.schema import RESPONSE_FORMAT, SNAPSHOT_RESULT

Json = dict[str, Any]

SNAPSHOT: Json = {
    "type": "object",
    "properties": {
        "meta": {
            "type": "object",
            "properties": {
                "snapshot_id": {"type": "string"},
                "source_id": {"type": "string"},
                "generated_at": {"type": "string"},
                "estimate_count": {"type": "integer"},
                "confidence_level": {"type": "string"},
            },
            "additionalProperties": False,
            "required": ["snapshot_id", "source_id", "generated_at", "estimate_count", "confidence_level"],
        },
        "demand": {
            "type": "object",
            "properties": {
                "weekly_volume": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {"week": {"type": "string"}, "count": {"type": "integer"}},
                        "additionalProperties": False,
                        "required": ["week", "count"],
                    },
                },
                "price_distribution": {"$ref": "#/$defs/b"},
            },
            "additionalProperties": False,
            "required": ["weekly_volume", "price_distribution"],
        },
        "decision_latency": {
            "type": "object",
            "properties": {"distribution": {"$ref": "#/$defs/b"}},
            "additionalProperties": False,
            "required": ["distribution"],
        },
    },
    "additionalProperties": False,
    "required": ["meta", "demand", "decision_latency"],
    "$defs": {
        "b": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"band": {"type": "string"}, "count": {"type": "integer"}},
                "additionalProperties": False,
                "required": ["band", "count"],
            },
        }
    },
}


def test_the_schema_is_frozen() -> None:
    """What is sent with every request, to the letter."""
    assert SNAPSHOT_RESULT == SNAPSHOT
    assert RESPONSE_FORMAT == {
        "type": "json_schema",
        "json_schema": {"name": "SnapshotResult", "strict": True, "schema": SNAPSHOT},
    }


def shape(schema: Json, root: Json) -> object:
    """Keys and types alone, with references followed."""
    if "$ref" in schema:
        place: Any = root
        for step in schema["$ref"].removeprefix("#/").split("/"):
            place = place[step]
        return shape(place, root)
    if schema["type"] == "object":
        assert schema["additionalProperties"] is False
        assert list(schema["required"]) == list(schema["properties"])
        return {name: shape(child, root) for name, child in schema["properties"].items()}
    if schema["type"] == "array":
        return [shape(schema["items"], root)]
    return schema["type"]


def test_the_schema_agrees_with_the_stored_type() -> None:
    """The same keys at every level, all required, nothing more allowed, the same types."""
    model = SnapshotResult.model_json_schema()
    assert shape(SNAPSHOT_RESULT, SNAPSHOT_RESULT) == shape(model, model)
