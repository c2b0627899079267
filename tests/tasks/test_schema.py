"""The schema that is sent is frozen: a change of it is a visible change of this file."""

from __future__ import annotations

from typing import Any

import jsonschema
from hypothesis import given

from secondlook.domain.buckets import AgentInput
from secondlook.domain.snapshots import SnapshotResult
from secondlook.tasks.snapshot.prompt import right_answer
from secondlook.tasks.snapshot.schema import RESPONSE_FORMAT, SNAPSHOT_RESULT, answer_schema
from tests.strategies import agent_inputs

Json = dict[str, Any]

COUNT: Json = {"type": "integer", "minimum": 0}
PENDING: Json = {"type": "string", "enum": ["pending"]}


def bands(*names: str) -> Json:
    """A list of exactly four bands."""
    return {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {"band": {"type": "string", "enum": list(names)}, "count": COUNT},
            "additionalProperties": False,
            "required": ["band", "count"],
        },
        "minItems": 4,
        "maxItems": 4,
    }


SNAPSHOT: Json = {
    "type": "object",
    "properties": {
        "meta": {
            "type": "object",
            "properties": {
                "snapshot_id": PENDING,
                "source_id": PENDING,
                "generated_at": PENDING,
                "estimate_count": COUNT,
                "confidence_level": {"type": "string", "enum": ["low", "medium", "high"]},
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
                        "properties": {
                            "week": {"type": "string", "pattern": "^[0-9]{4}-W[0-5][0-9]$"},
                            "count": COUNT,
                        },
                        "additionalProperties": False,
                        "required": ["week", "count"],
                    },
                },
                "price_distribution": bands("<500", "500-1500", "1500-5000", "5000+"),
            },
            "additionalProperties": False,
            "required": ["weekly_volume", "price_distribution"],
        },
        "decision_latency": {
            "type": "object",
            "properties": {"distribution": bands("0-2d", "3-7d", "8-21d", "22+d")},
            "additionalProperties": False,
            "required": ["distribution"],
        },
    },
    "additionalProperties": False,
    "required": ["meta", "demand", "decision_latency"],
}

STRICT = {
    *("type", "properties", "additionalProperties", "required", "items", "enum", "pattern", "minimum"),
    *("minItems", "maxItems"),
}
"""Of the keywords that OpenAI's strict mode supports, those that are used."""


def test_the_schema_is_frozen() -> None:
    """What is sent with every request, to the letter."""
    assert SNAPSHOT_RESULT == SNAPSHOT
    assert RESPONSE_FORMAT == {
        "type": "json_schema",
        "json_schema": {"name": "SnapshotResult", "strict": True, "schema": SNAPSHOT},
    }


def keywords(schema: Json) -> set[str]:
    """The keywords of a schema and of all that is in it."""
    children = [*schema.get("properties", {}).values(), *([schema["items"]] if "items" in schema else [])]
    return set(schema).union(*map(keywords, children))


def test_strict_mode_supports_all_of_it() -> None:
    """A provider refuses a schema with a keyword that it does not know."""
    assert keywords(SNAPSHOT_RESULT) == STRICT


def test_the_number_of_weeks_can_be_fixed() -> None:
    """For providers that compile schemas for nothing; all the rest stays as it is."""
    fixed = answer_schema(weeks=12)
    weekly = fixed["properties"]["demand"]["properties"]["weekly_volume"]
    assert (weekly.pop("minItems"), weekly.pop("maxItems")) == (12, 12)
    assert fixed == SNAPSHOT


@given(agent_inputs())
def test_it_allows_every_right_answer(agent_input: AgentInput) -> None:
    """Decoding that is held to the schema can always repeat the input."""
    for weeks in (None, len(agent_input.demand.weekly_volume)):
        validator = jsonschema.Draft202012Validator(answer_schema(weeks))
        validator.validate(right_answer(agent_input))  # pyright: ignore[reportUnknownMemberType] -- its types are partial


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
