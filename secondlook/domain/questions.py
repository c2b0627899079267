"""What a task asks an agent, before any provider's protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from secondlook.domain.base import Count, Frozen
from secondlook.domain.usage import Usage


class Message(Frozen):
    """One message of a question."""

    role: Literal["system", "user"]
    content: str


class Question(Frozen):
    """One question: its messages, and the strict JSON schema that the answer must match.

    Attributes:
        schema_name: The schema's name, as providers want one.
        answer_schema: The schema; it does not depend on the input, so that providers compile it once.
        fixed_schema: The same, with this input's list lengths, for providers that compile schemas cheaply.
        prompt_tokens: About how many tokens messages and schema take.
        answer_tokens: About how many tokens a right answer takes.
    """

    messages: tuple[Message, ...]
    schema_name: str
    answer_schema: Mapping[str, object]
    fixed_schema: Mapping[str, object]
    prompt_tokens: Count
    answer_tokens: Count

    @property
    def usage(self) -> Usage:
        """The estimated usage of a run, before anything is sent."""
        return Usage(
            prompt_tokens=self.prompt_tokens,
            completion_tokens=self.answer_tokens,
            total_tokens=self.prompt_tokens + self.answer_tokens,
            cached_tokens=0,
            estimated=True,
        )
