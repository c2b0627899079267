"""A provider's answer before it is validated."""

from __future__ import annotations

from dataclasses import dataclass, field

from secondlook.domain.base import Count, Frozen
from secondlook.domain.usage import Terms, Usage


@dataclass(frozen=True)
class Completion:
    """The parsed parts of an answer's body; `problem` says why there is nothing to check.

    Not a pydantic type: the text may hold what pydantic refuses in a string, such as lone surrogates.

    Attributes:
        problem: None where the body is a chat completion.
        text: The message's content.
        refusal: The model's refusal, where it refused.
        reasoned: Whether the answer includes the model's reasoning, before it or as a separate field.
        usage_problem: Why the usage is unknown; None where it is known.
    """

    problem: str | None = None
    text: str | None = None
    refusal: str | None = None
    finish_reason: str | None = None
    reasoned: bool = False
    model: str | None = None
    usage: Usage = field(default_factory=Usage)
    usage_problem: str | None = "there is no answer that could tell it"
    terms: Terms = field(default_factory=Terms)


class RateLimits(Frozen):
    """A provider's remaining rate limits; None where it does not say. Resets are in seconds from now."""

    requests: Count | None
    requests_reset: float
    tokens: Count | None
    tokens_reset: float


class AgentAnswer(Frozen):
    """An answer as it arrived, before it is parsed.

    Attributes:
        body: The whole body of the HTTP answer.
        terms: What decides its price besides the usage; not stored.
        http_status: The status it came with.
        latency_ms: From sending to the last byte.
        provider_ms: The provider's own time, where it tells (openai-processing-ms).
        limits: The provider's remaining rate limits, where it reports them.
    """

    body: str
    usage: Usage
    model: str | None
    request_id: str | None
    latency_ms: int
    provider_ms: int | None
    http_status: int = 200
    limits: RateLimits | None = None
    terms: Terms = Terms()
