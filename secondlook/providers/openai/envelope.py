"""Parses a chat completion's body into text, refusal, finish reason, model and usage."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import cast

from secondlook.domain.answers import Completion
from secondlook.domain.usage import Terms, Usage
from secondlook.providers.openai.error_bodies import read_error
from secondlook.providers.openai.safe_messages import shown_message

_Json = dict[str, object]

MOST_LETTERS = 128
"""No token stands for more characters: o200k's longest one is 128 spaces."""

_REASONING_FIELDS = ("reasoning_content", "reasoning")
"""Fields in which servers put reasoning separately from the answer."""


def read_completion(body: str) -> Completion:
    """The parsed body of a chat completion. It never raises; `problem` says what is wrong."""
    body = body.removeprefix("\ufeff")
    if not body.strip():
        return Completion(problem="the answer is empty")
    try:
        parsed: object = json.loads(body)
    except (ValueError, RecursionError):
        kind = "an HTML page" if body.lstrip().startswith("<") else "no JSON"
        return Completion(problem=f"the answer is {kind}, not a chat completion")
    envelope = _object(parsed)
    choices = envelope.get("choices")
    found = Completion(
        model=_name(envelope.get("model")),
        terms=Terms(
            service_tier=_tier(envelope.get("service_tier")),
            cache_write_tokens=_tokens(_prompt_details(envelope).get("cache_write_tokens")),
        ),
    )
    usage = _usage(envelope.get("usage"))
    if not isinstance(choices, list) or len(cast("list[object]", choices)) != 1:
        problem = _told(parsed) or "the answer is not a chat completion with one choice"
        return replace(_with_usage(found, envelope, usage, ""), problem=problem)
    choice = _object(cast("list[object]", choices)[0])
    message = _object(choice.get("message"))
    content = message.get("content")
    found = _with_usage(found, envelope, usage, content)
    if not content and (told := _told(choice if choice.get("error") else parsed)):
        return replace(found, problem=told)
    text = _joined(content, "text")
    parts = cast("list[object]", content) if isinstance(content, list) else []
    refusal = _text(message.get("refusal"))
    return replace(
        found,
        text=text,
        refusal=(_joined(parts, "refusal") if refusal is None else refusal) or None,
        finish_reason=_text(choice.get("finish_reason")),
        reasoned=any(_text(message.get(name)) for name in _REASONING_FIELDS)
        or (text or "").lstrip().startswith("<think>")
        or any(_object(part).get("type") in {"thinking", "reasoning"} for part in parts),
    )


def _with_usage(found: Completion, envelope: _Json, usage: Usage, content: object) -> Completion:
    """With its usage, or why that is unknown."""
    written = found.terms.cache_write_tokens or 0
    problem = _contradiction(usage, written, len(_joined(content, "text") or ""))
    if problem is not None:
        usage = Usage()
    elif not isinstance(envelope.get("usage"), dict):
        problem = "the answer tells no usage"
    elif usage.prompt_tokens is None or usage.completion_tokens is None:
        problem = "the answer's usage has no count of prompt or completion tokens"
    return replace(found, usage=usage, usage_problem=problem)


def _contradiction(usage: Usage, written: int, letters: int) -> str | None:
    """How a usage contradicts itself or the text; None where it does not."""
    prompt, completion, total = usage.prompt_tokens, usage.completion_tokens, usage.total_tokens
    if prompt == 0:
        return "the usage says that the prompt had 0 tokens"
    if prompt is None or completion is None:
        return None
    if completion * MOST_LETTERS < letters:
        return f"the usage says {completion:,} completion tokens for a text of {letters:,} characters"
    if total is not None and total != prompt + completion:
        return "the usage's total is not the sum of prompt and completion tokens"
    if (usage.cached_tokens or 0) + written > prompt:
        return "the usage says more cached than prompt tokens"
    if (usage.reasoning_tokens or 0) > completion:
        return "the usage says more reasoning than completion tokens"
    return None


def _prompt_details(envelope: _Json) -> _Json:
    return _object(_object(envelope.get("usage")).get("prompt_tokens_details"))


def _tier(value: object) -> str | None:
    """The tier's name; one that is none stays unknown, which is not the standard tier."""
    return None if value is None else _name(value) or "unknown"


def _told(parsed: object) -> str | None:
    """That a server answered with an error, and its message; None where it tells none."""
    message = read_error(parsed).message
    return None if message is None else f"the server answered with an error: {shown_message(message)}"


def _object(value: object) -> _Json:
    return cast("_Json", value) if isinstance(value, dict) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _joined(content: object, kind: str) -> str | None:
    """A message's text, written as one text or as a list of parts; None where no part is of that kind."""
    if not isinstance(content, list):
        return _text(content)
    parts = [_object(part) for part in cast("list[object]", content)]
    texts = [_text(part.get(kind)) or "" for part in parts if part.get("type") == kind]
    return "".join(texts) if texts else None


def _name(value: object) -> str | None:
    """A short plain name, or None: it is stored and shown, so untrusted text is dropped."""
    return value if isinstance(value, str) and re.fullmatch(r"[!-~]{1,200}", value) else None


def _tokens(value: object) -> int | None:
    return value if type(value) is int and 0 <= value < 2**31 else None


def _usage(value: object) -> Usage:
    usage = _object(value)
    return Usage(
        prompt_tokens=_tokens(usage.get("prompt_tokens")),
        completion_tokens=_tokens(usage.get("completion_tokens")),
        total_tokens=_tokens(usage.get("total_tokens")),
        cached_tokens=_tokens(_object(usage.get("prompt_tokens_details")).get("cached_tokens")),
        reasoning_tokens=_tokens(_object(usage.get("completion_tokens_details")).get("reasoning_tokens")),
    )
