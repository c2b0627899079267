"""Tokens of an answer."""

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
