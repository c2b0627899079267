"""openai: `chat.completions.parse` into a pydantic model, whose strict schema the SDK makes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from openai import OpenAI

from bench.rivals.result import SnapshotResult
from bench.turns import serve


def make(ask: dict[str, Any]) -> Callable[[], SnapshotResult]:
    """The call."""
    parse = OpenAI(api_key="sk-local", base_url=ask["base_url"]).chat.completions.parse
    request = {**ask["request"], "response_format": SnapshotResult}

    def call() -> SnapshotResult:
        return parse(**request).choices[0].message.parsed

    return call


if __name__ == "__main__":
    serve(make)
