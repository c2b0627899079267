"""What a model should make of the prompt, read from the prompt alone: for the offline agent."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from secondlook.domain.usage import Usage
from secondlook.tasks.snapshot.prompt import estimate_answer_tokens, estimate_prompt_tokens


def answer_offline(prompt: str) -> tuple[dict[str, Any], Usage]:
    """The right answer, which is the prompt itself, and about what it takes."""
    result: dict[str, Any] = json.loads(prompt)
    weeks = len(result["demand"]["weekly_volume"])
    prompt_tokens, completion_tokens = estimate_prompt_tokens(weeks), estimate_answer_tokens(weeks)
    return result, Usage(
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        total_tokens=prompt_tokens + completion_tokens,
        cached_tokens=0,
        estimated=True,
    )


ANSWERERS: Mapping[str, Callable[[str], tuple[dict[str, Any], Usage]]] = {"SnapshotResult": answer_offline}
"""By the name of the schema that is asked for."""
