"""The offline agent: the same client over an in-memory transport that answers as the model should.

It reads the prompt alone, as the model does; its token counts are estimates.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

from secondlook.domain.answers import AgentAnswer
from secondlook.providers.base import Answerers, Finding, Journal, Json
from secondlook.providers.openai.client import Client
from secondlook.providers.openai.protocol import OpenAI

if TYPE_CHECKING:
    import httpx2
    import openai
    from pydantic import SecretStr


class Offline(OpenAI):
    """Gets the request that OpenAI would get; its price at OpenAI is shown."""

    name = "offline"
    label = "Offline agent"
    local = True

    def missing(self) -> None:
        """Nothing."""

    @property
    def service_tier(self) -> None:
        """None: nothing is sent."""

    def check(self) -> list[Finding]:
        """Return one finding: there is no server to check."""
        detail = f"the {self.label[0].lower()}{self.label[1:]} answers: nothing is sent, usage is estimated"
        return [
            Finding("agent", ok=True, detail=detail),
            Finding("model", ok=not self.ended(), detail=self.notice() or self.model),
        ]

    def ask(self, request: Mapping[str, object], journal: Journal) -> None:
        """Answer one request."""

        def estimated(answer: AgentAnswer) -> None:
            usage = answer.usage.model_copy(update={"estimated": True})
            journal(answer.model_copy(update={"usage": usage}))

        super().ask(request, estimated)

    def ceiling(self, request: Mapping[str, object], prompt_tokens: int) -> Decimal:  # noqa: ARG002 -- as the others
        """Nothing is paid."""
        return Decimal(0)

    @property
    def key(self) -> SecretStr | None:
        """None: nothing is sent."""
        return None

    def _connect(self) -> Client:
        import httpx2

        return Client(
            self._sdk,
            label=self.label,
            secret="",
            deadline_seconds=self.settings.deadline_seconds,
            transport=httpx2.MockTransport(self.respond),
        )

    def _sdk(self, http: httpx2.Client, timeout: httpx2.Timeout) -> openai.OpenAI:
        import openai

        return openai.OpenAI(
            api_key="offline",
            base_url="http://offline.invalid/v1",
            max_retries=0,
            timeout=timeout,
            http_client=http,
        )

    def respond(self, request: httpx2.Request) -> httpx2.Response:
        """Answer a chat completion request; one of an earlier version's prompt is refused."""
        import httpx2

        try:
            return reply(completion_of(json.loads(request.content), self.answerers))
        except (ValueError, LookupError):
            message = "This prompt is of another version: start a new run"
            return httpx2.Response(400, json={"error": {"message": message}})


def reply(completion: Mapping[str, object]) -> httpx2.Response:
    """A completion as it arrives."""
    import httpx2

    return httpx2.Response(200, headers={"x-request-id": "offline"}, json=completion)


def completion_of(body: Json, answerers: Answerers) -> Json:
    """The right completion of a request's body."""
    answer, usage = answerers[body["response_format"]["json_schema"]["name"]](body["messages"][-1]["content"])
    return {
        "object": "chat.completion",
        "model": body["model"],
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {
                    "role": "assistant",
                    "content": json.dumps(answer, separators=(",", ":")),
                    "refusal": None,
                },
            }
        ],
        "usage": {
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "total_tokens": usage.total_tokens,
            "prompt_tokens_details": {"cached_tokens": 0},
        },
    }
