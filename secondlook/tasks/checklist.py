"""Rules for answers, checked in order: the first that does not hold rejects the answer. Nothing is repaired.

The rules here hold for the answers of every task; a task adds its own. Messages name the rule and the path of
the first difference, never a value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, Never, NoReturn, TypeVar

from secondlook.domain.answers import Completion
from secondlook.domain.strict_json import DuplicateKey, read_json
from secondlook.errors import AnswerRejected

State = Literal["passed", "failed", "not_reached"]


@dataclass
class Reading:
    """An answer while the rules check it. A task adds what its own rules need.

    Attributes:
        completion: What the body holds.
        answer: The text as JSON, once the rule that reads it has passed.
    """

    completion: Completion
    answer: object = None


R = TypeVar("R", bound=Reading)
R_contra = TypeVar("R_contra", bound=Reading, contravariant=True)


@dataclass(frozen=True)
class Rule(Generic[R_contra]):
    """One rule of those that accept an answer: its description, and what checks it.

    Attributes:
        name: Short and stable.
        words: What holds where it passes.
        check: Raises AnswerRejected where it does not.
    """

    name: str
    words: str
    check: Callable[[R_contra], None]


@dataclass(frozen=True)
class Check:
    """A rule and its result.

    Attributes:
        reason: Where it failed, the reason that the answer is rejected with.
        path: Where it failed, the path of the first difference; None for a rule on the whole.
        message: Where it failed, the sentence about it.
    """

    rule: Rule[Never]
    state: State
    reason: str | None = None
    path: str | None = None
    message: str | None = None


def accept(rules: Sequence[Rule[R]], reading: R) -> object:
    """The answer of a reading that every rule accepts.

    Raises:
        AnswerRejected: With the first rule that does not hold as `reason` and the `path` of the difference.
    """
    for rule in rules:
        rule.check(reading)
    return reading.answer


def check_each(rules: Sequence[Rule[R]], reading: R | None) -> Iterator[Check]:
    """Every rule with its result; without a reading, no rule is checked."""
    rest = iter(rules)
    if reading is not None:
        for rule in rest:
            try:
                rule.check(reading)
            except AnswerRejected as error:
                yield Check(rule, "failed", error.reason, error.path, error.message)
                break
            yield Check(rule, "passed")
    for rule in rest:
        yield Check(rule, "not_reached")


def reject(reason: str, message: str, path: str | None = None, *, place: str | None = None) -> NoReturn:
    """Raise AnswerRejected.

    Args:
        reason: Short and stable.
        message: What is wrong, without a value.
        path: Where; None for the whole.
        place: The part of the path that the message may repeat; all of it where not given.
    """
    place = place or path
    where = f" at {place}" if place else ""
    raise AnswerRejected(f"Answer rejected ({reason}): {message}{where}", reason=reason, path=path)


# -- the rules of every answer --------------------------------------------------------------------------


def _is_completion(reading: Reading) -> None:
    if reading.completion.problem is not None:
        reject("not_completion", reading.completion.problem)


def _not_refused(reading: Reading) -> None:
    if reading.completion.refusal is not None:
        reject("refusal", "the model refused to answer", "choices[0].message.refusal")


def _not_truncated(reading: Reading) -> None:
    if reading.completion.finish_reason == "length":
        reject("truncated", "the answer was cut off at the token limit", "choices[0].finish_reason")


def _not_filtered(reading: Reading) -> None:
    if reading.completion.finish_reason == "content_filter":
        reject("content_filter", "the provider's content filter stopped it", "choices[0].finish_reason")


def _ended(reading: Reading) -> None:
    if reading.completion.finish_reason != "stop":
        reject("finish_reason", "the answer did not end by itself", "choices[0].finish_reason")


def _has_text(reading: Reading) -> None:
    if not reading.completion.text:
        reject("empty", "the message has no text", "choices[0].message.content")


def _is_json(reading: Reading) -> None:
    text = reading.completion.text or ""
    try:
        reading.answer = read_json(text)
    except DuplicateKey:
        reject("duplicate_key", "a key comes twice in one object")
    except ValueError:
        fenced = text.lstrip().startswith("```")
        reject("not_json", "the text is in a code fence" if fenced else "the text is not one JSON object")


ANY_ANSWER: tuple[Rule[Reading], ...] = (
    Rule("completion", "The body is a chat completion with one choice", _is_completion),
    Rule("refusal", "The model did not refuse", _not_refused),
    Rule("truncated", "The answer was not cut off at the token limit", _not_truncated),
    Rule("content_filter", "No content filter stopped it", _not_filtered),
    Rule("finish_reason", "It finished normally", _ended),
    Rule("text", "The message has text", _has_text),
    Rule("json", "The text is JSON, and no object repeats a key", _is_json),
)
"""The rules of every task's answers, in their order; a task's own follow."""

UNREAD_REASONS = (
    "not_completion",
    "refusal",
    "truncated",
    "content_filter",
    "finish_reason",
    "empty",
    "not_json",
    "duplicate_key",
)
"""The reasons of these rules: the answer could not be read. Every other reason is a task's own."""
