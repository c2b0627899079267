"""Parses what servers write instead of an answer: the message, code and type of an error, in any shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

_MESSAGES = ("message", "msg", "detail", "error")
"""The fields that hold a message as a text, the first that does counts."""

_FINAL = {
    "insufficient_quota",
    "billing_not_active",
    "billing_hard_limit_reached",
    "account_deactivated",
    "access_terminated",
    "exceeded_current_quota_error",
}
"""Codes and types of a refusal that waiting does not change; some servers tell them by the type alone."""


@dataclass(frozen=True)
class ErrorBody:
    """A server's error; None where it does not say.

    Attributes:
        message: As the server wrote it: not safe to show.
        names: Its code and its type.
    """

    message: str | None = None
    names: frozenset[str] = frozenset()

    @property
    def is_final(self) -> bool:
        """Whether the same request would be refused again: a quota, or an account that cannot pay."""
        return not self.names.isdisjoint(_FINAL)


def read_error(parsed: object) -> ErrorBody:
    """The error in a body's JSON: `{"error": {…}}`, `{"error": "…"}`, flat, or one of these in a list."""
    if isinstance(parsed, list):
        entries = cast("list[object]", parsed)
        return read_error(entries[0]) if len(entries) == 1 else ErrorBody()
    if not isinstance(parsed, dict):
        return ErrorBody()
    outer = cast("dict[str, object]", parsed)
    inner = outer.get("error")
    fields = cast("dict[str, object]", inner) if isinstance(inner, dict) else outer
    texts = (value for name in _MESSAGES if isinstance(value := fields.get(name), str) and value.strip())
    names = (fields.get("code"), fields.get("type"))
    return ErrorBody(
        message=next(texts, None),
        names=frozenset(name.lower() for name in names if isinstance(name, str)),
    )
