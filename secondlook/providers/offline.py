"""The offline agent: the same client over an in-memory transport that answers as the model should.

It reads the prompt alone, as the model does; its token counts are estimates.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from secondlook.domain.runs import REHEARSAL
from secondlook.providers.openai.client import Agent
from secondlook.tasks.snapshot.prompt import estimate_answer_tokens, estimate_prompt_tokens

if TYPE_CHECKING:
    import httpx2


def respond(request: httpx2.Request) -> httpx2.Response:
    """Answer a chat completion request; whoever does not rehearse knows no model of a rehearsal."""
    import httpx2

    body: dict[str, Any] = json.loads(request.content)
    if str(body["model"]).startswith(REHEARSAL):
        message = "Nothing is rehearsed here: a key is set, or this is Supabase"
        return httpx2.Response(404, json={"error": {"message": message, "code": "model_not_found"}})
    return reply(completion_of(body))


def offline_agent(
    deadline_seconds: float, answering: Callable[[httpx2.Request], httpx2.Response] = respond
) -> Agent:
    """An agent without network and without key.

    Args:
        deadline_seconds: The longest wait for the whole call.
        answering: Answers in place of the network.
    """
    import httpx2

    return Agent(
        "offline",
        api_key="offline",
        base_url="http://offline.invalid/v1",
        deadline_seconds=deadline_seconds,
        transport=httpx2.MockTransport(answering),
    )


def reply(completion: Mapping[str, Any]) -> httpx2.Response:
    """A completion as it arrives."""
    import httpx2

    return httpx2.Response(200, headers={"x-request-id": "offline"}, json=completion)


def completion_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """The right completion of a request's body: the prompt is the answer."""
    prompt: str = body["messages"][-1]["content"]
    weeks = len(json.loads(prompt)["demand"]["weekly_volume"])
    prompt_tokens, completion_tokens = estimate_prompt_tokens(weeks), estimate_answer_tokens(weeks)
    return {
        "object": "chat.completion",
        "model": body["model"],
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": prompt, "refusal": None},
            }
        ],
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
            "prompt_tokens_details": {"cached_tokens": 0},
        },
    }
