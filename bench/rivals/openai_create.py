"""openai: `chat.completions.create` with the very request that ours sends; pydantic reads the text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from openai import OpenAI

from bench.rivals.result import SnapshotResult
from bench.turns import serve


def make(ask: dict[str, Any]) -> Callable[[], SnapshotResult]:
    """The call."""
    create = OpenAI(api_key="sk-local", base_url=ask["base_url"]).chat.completions.create

    def call() -> SnapshotResult:
        return SnapshotResult.model_validate_json(create(**ask["request"]).choices[0].message.content)

    return call


if __name__ == "__main__":
    serve(make)
