"""The strict JSON schema of an answer; it does not depend on the facts, so providers compile it once."""

from __future__ import annotations

from typing import Any

FEWEST, MOST = 3, 5
"""Insights of an answer."""


def _object(**properties: object) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "required": list(properties),
    }


_FACTS = {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 3}
_SENTENCE = _object(text={"type": "string"}, facts=_FACTS)

INSIGHTS: dict[str, Any] = _object(
    headline=_SENTENCE,
    insights={"type": "array", "items": _SENTENCE, "minItems": FEWEST, "maxItems": MOST},
)
