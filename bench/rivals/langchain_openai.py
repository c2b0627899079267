"""langchain-openai: a chat model with structured output by a strict JSON schema."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from langchain_core.messages import HumanMessage, SystemMessage
from langchain_openai import ChatOpenAI

from bench.rivals.result import SnapshotResult
from bench.turns import serve


def make(ask: dict[str, Any]) -> Callable[[], SnapshotResult]:
    """The call."""
    request = ask["request"]
    system, user = (message["content"] for message in request["messages"])
    model = ChatOpenAI(
        model=request["model"],
        temperature=request["temperature"],
        max_tokens=request["max_tokens"],
        api_key="sk-local",
        base_url=ask["base_url"],
    ).with_structured_output(SnapshotResult, method="json_schema", strict=True)
    messages = [SystemMessage(system), HumanMessage(user)]

    def call() -> SnapshotResult:
        return model.invoke(messages)

    return call


if __name__ == "__main__":
    serve(make)
