"""instructor: its mode for providers that keep to a schema themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import instructor
from openai import OpenAI

from bench.rivals.result import SnapshotResult
from bench.turns import serve


def make(ask: dict[str, Any]) -> Callable[[], SnapshotResult]:
    """The call."""
    client = instructor.from_openai(
        OpenAI(api_key="sk-local", base_url=ask["base_url"]), mode=instructor.Mode.JSON_SCHEMA
    )
    request = {**ask["request"], "response_model": SnapshotResult}
    del request["response_format"]
    create = client.chat.completions.create

    def call() -> SnapshotResult:
        return create(**request)

    return call


if __name__ == "__main__":
    serve(make)
