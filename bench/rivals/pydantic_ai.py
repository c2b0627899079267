"""pydantic-ai: an agent with native structured output, asked in one event loop that stays."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from pydantic_ai import Agent, ModelSettings, NativeOutput
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from bench.rivals.result import SnapshotResult
from bench.turns import serve


def make(ask: dict[str, Any]) -> Callable[[], SnapshotResult]:
    """The call."""
    request = ask["request"]
    system, user = (message["content"] for message in request["messages"])
    provider = OpenAIProvider(base_url=ask["base_url"], api_key="sk-local")
    agent = Agent(
        OpenAIChatModel(request["model"], provider=provider),
        output_type=NativeOutput(SnapshotResult, strict=True),
        instructions=system,
        model_settings=ModelSettings(temperature=request["temperature"], max_tokens=request["max_tokens"]),
    )
    loop = asyncio.Runner()

    def call() -> SnapshotResult:
        return loop.run(agent.run(user)).output

    return call


if __name__ == "__main__":
    serve(make)
