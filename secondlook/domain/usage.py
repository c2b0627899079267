"""Tokens of an answer, and what else decides its price."""

from __future__ import annotations

from secondlook.domain.base import Count, Frozen


class Usage(Frozen):
    """Tokens of one answer; None is unknown, which is not 0.

    Attributes:
        reasoning_tokens: Part of the completion's tokens.
        estimated: True where nobody counted them (the offline agent).
    """

    prompt_tokens: Count | None = None
    completion_tokens: Count | None = None
    total_tokens: Count | None = None
    cached_tokens: Count | None = None
    reasoning_tokens: Count | None = None
    estimated: bool = False


class Terms(Frozen):
    """What decides an answer's price besides its tokens; None where the answer does not say.

    Attributes:
        service_tier: The tier that answered.
        cache_write_tokens: The prompt's tokens that were written to a cache.
    """

    service_tier: str | None = None
    cache_write_tokens: Count | None = None
