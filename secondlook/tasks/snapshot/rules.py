"""Rules for answers (CONTRACT: What it must answer). No repair: an answer is accepted or rejected.

Messages name the rule and the path of the first difference, never a value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import NoReturn, cast

from secondlook.domain.answers import Completion
from secondlook.domain.buckets import AgentInput
from secondlook.domain.snapshots import SnapshotResult
from secondlook.domain.usage import Usage
from secondlook.errors import AnswerRejected

Json = dict[str, object]

_LONGEST_KEY = 40


def read_completion(body: str) -> Completion:
    """What the body of a chat completion holds. Never raises: what is odd about it is its `problem`."""
    if not body.strip():
        return Completion(problem="the answer is empty")
    try:
        parsed: object = json.loads(body)
    except (ValueError, RecursionError):
        kind = "an HTML page" if body.lstrip().startswith("<") else "no JSON"
        return Completion(problem=f"the answer is {kind}, not a chat completion")
    envelope = _object(parsed)
    choices = envelope.get("choices")
    found = Completion(model=_name(envelope.get("model")), usage=_usage(envelope.get("usage")))
    if not isinstance(choices, list) or len(cast("list[object]", choices)) != 1:
        return replace(found, problem="the answer is not a chat completion with one choice")
    choice = _object(cast("list[object]", choices)[0])
    message = _object(choice.get("message"))
    return replace(
        found,
        text=_text(message.get("content")),
        refusal=_text(message.get("refusal")) or None,
        finish_reason=_text(choice.get("finish_reason")),
    )


def _object(value: object) -> Json:
    return cast("Json", value) if isinstance(value, dict) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _name(value: object) -> str | None:
    """A short plain name, or nothing: it is stored and shown, whatever a server wrote there."""
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
    )


@dataclass
class Reading:
    """An answer while it is held against the rules, and what the ones before have found of it.

    Attributes:
        completion: What the body holds.
        expected: The one answer that is right.
        answer: The text as JSON, once the rule that reads it has passed.
    """

    completion: Completion
    expected: Json
    answer: object = None


@dataclass(frozen=True)
class Rule:
    """One rule of those that accept an answer, in words, and what checks it.

    Attributes:
        name: Short and stable.
        words: What holds where it passes.
        check: Raises AnswerRejected where it does not.
    """

    name: str
    words: str
    check: Callable[[Reading], None]


def check_answer(body: str, agent_input: AgentInput) -> Json:
    """Accept an answer that repeats its input exactly.

    Args:
        body: The journaled body of the HTTP answer.
        agent_input: What was sent.

    Returns:
        The answer; its three identity fields hold whatever the agent wrote there.

    Raises:
        AnswerRejected: With the rule as `reason` and the `path` of the first difference.
    """
    reading = Reading(read_completion(body), expected_answer(agent_input))
    for rule in RULES:
        rule.check(reading)
    return cast("Json", reading.answer)


def set_metadata(answer: Json, *, snapshot_id: str, source_id: str, generated_at: str) -> SnapshotResult:
    """The result as it is stored: an accepted answer with its identity, which the agent does not know."""
    identity = {"snapshot_id": snapshot_id, "source_id": source_id, "generated_at": generated_at}
    meta = {**cast("Json", answer["meta"]), **identity}
    return SnapshotResult.model_validate_json(json.dumps({**answer, "meta": meta}))


def expected_answer(agent_input: AgentInput) -> Json:
    """The one answer that is right; `str` stands for any string (the agent cannot know the identity)."""
    echo = agent_input.model_dump(mode="json")
    return {
        "meta": {
            "snapshot_id": str,
            "source_id": str,
            "generated_at": str,
            "estimate_count": echo["estimate_count"],
            "confidence_level": echo["confidence_level"],
        },
        "demand": echo["demand"],
        "decision_latency": echo["decision_latency"],
    }


def count_matches(result: SnapshotResult, agent_input: AgentInput) -> tuple[int, int]:
    """How many values of a result equal the input's: each week, band and count, and the two totals.

    Returns:
        The values that match, and the values of the input in all.
    """
    shown, sent = result.model_dump(mode="json"), agent_input.model_dump(mode="json")
    totals = {key: shown["meta"][key] for key in ("estimate_count", "confidence_level")}
    values = dict(_leaves(sent))
    found = dict(_leaves({**shown, **totals}))
    return sum(found.get(path) == value for path, value in values.items()), len(values)


def _leaves(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        for key, inner in cast("Json", value).items():
            yield from _leaves(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(cast("list[object]", value)):
            yield from _leaves(inner, f"{path}[{index}]")
    else:
        yield path, value


def _reject(reason: str, message: str, path: str | None = None) -> NoReturn:
    where = f" at {path}" if path else ""
    raise AnswerRejected(f"Answer rejected ({reason}): {message}{where}", reason=reason, path=path)


def _parsed(text: str) -> object:
    def no_duplicates(pairs: list[tuple[str, object]]) -> Json:
        found: Json = {}
        for key, value in pairs:
            if key in found:
                _reject("duplicate_key", "a key comes twice in one object")
            found[key] = value
        return found

    def no_constant(_name: str) -> NoReturn:
        raise ValueError

    try:
        return json.loads(text, object_pairs_hook=no_duplicates, parse_constant=no_constant)
    except (ValueError, RecursionError):
        fenced = text.lstrip().startswith("```")
        _reject("not_json", "the text is in a code fence" if fenced else "the text is not one JSON object")


_TYPES: dict[type, str] = {dict: "an object", list: "a list", int: "an integer", str: "a string"}


def difference(expected: object, actual: object) -> tuple[str, str] | None:
    """What is wrong with one value, whatever is inside it: the reason and the words, or None.

    Args:
        expected: What must be there; a type stands for any value of it.
        actual: What is there.
    """
    wanted = expected if isinstance(expected, type) else type(expected)
    if type(actual) is not wanted:
        return "schema", f"must be {_TYPES[wanted]}"
    if isinstance(expected, (type, dict, list)) or actual == expected:
        return None
    return "mismatch", "a value differs from the buckets"


def _compare(expected: object, actual: object, path: str) -> None:
    """Reject at the first difference, in the order of the locked schema; the path of the whole is empty."""
    wrong = difference(expected, actual)
    if wrong is not None:
        _reject(*wrong, path or "$")
    if isinstance(expected, dict):
        _compare_keys(cast("Json", expected), cast("Json", actual), path)
    elif isinstance(expected, list):
        _compare_items(cast("list[object]", expected), cast("list[object]", actual), path)


def _compare_keys(expected: Json, actual: Json, path: str) -> None:
    _check_keys(expected, actual, path)
    prefix = f"{path}." if path else ""
    for key, value in expected.items():
        _compare(value, actual[key], prefix + key)


def _check_keys(expected: Json, actual: Json, path: str) -> None:
    prefix = f"{path}." if path else ""
    for key in expected:
        if key not in actual:
            _reject("schema", "a key is missing", prefix + key)
    unknown = next((key for key in actual if key not in expected), None)
    if unknown is not None:
        # The key's name is the model's own text: it is in the path, for QA, and not in the message.
        message = f"Answer rejected (schema): a key is not in the schema at {path or '$'}"
        raise AnswerRejected(message, reason="schema", path=prefix + _shown(unknown))


def _shown(key: str) -> str:
    """A key that the model added, as the last part of a path: short, and quoted where it is no plain name."""
    short = key if len(key) <= _LONGEST_KEY else f"{key[: _LONGEST_KEY - 3]}..."
    return short if re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", short) else json.dumps(short)


def _compare_items(expected: list[object], actual: list[object], path: str) -> None:
    for index, value in enumerate(expected):
        if index >= len(actual):
            _reject("mismatch", "a bucket is missing", f"{path}[{index}]")
        _compare(value, actual[index], f"{path}[{index}]")
    if len(actual) > len(expected):
        _reject("mismatch", "there is more than in the buckets", f"{path}[{len(expected)}]")


# -- the rules ------------------------------------------------------------------------------------------


def _is_completion(reading: Reading) -> None:
    if reading.completion.problem is not None:
        _reject("not_completion", reading.completion.problem)


def _not_refused(reading: Reading) -> None:
    if reading.completion.refusal is not None:
        _reject("refusal", "the model refused to answer", "choices[0].message.refusal")


def _not_truncated(reading: Reading) -> None:
    if reading.completion.finish_reason == "length":
        _reject("truncated", "the answer was cut off at the token limit", "choices[0].finish_reason")


def _not_filtered(reading: Reading) -> None:
    if reading.completion.finish_reason == "content_filter":
        _reject("content_filter", "the provider's content filter stopped it", "choices[0].finish_reason")


def _ended(reading: Reading) -> None:
    if reading.completion.finish_reason != "stop":
        _reject("finish_reason", "the answer did not end by itself", "choices[0].finish_reason")


def _has_text(reading: Reading) -> None:
    if not reading.completion.text:
        _reject("empty", "the message has no text", "choices[0].message.content")


def _is_json(reading: Reading) -> None:
    reading.answer = _parsed(reading.completion.text or "")


def _holds(*path: str, whole: bool) -> Callable[[Reading], None]:
    """A rule on one part of the answer: all that is in it, or only that it is an object with its keys."""

    def check(reading: Reading) -> None:
        expected, actual, name = cast("object", reading.expected), reading.answer, ".".join(path)
        for key in path:  # the rules before have seen that it is there
            expected, actual = cast("Json", expected)[key], cast("Json", actual)[key]
        if whole:
            _compare(expected, actual, name)
            return
        wrong = difference(expected, actual)
        if wrong is not None:
            _reject(*wrong, name or "$")
        _check_keys(cast("Json", expected), cast("Json", actual), name)

    return check


RULES: tuple[Rule, ...] = (
    Rule("completion", "The body is a chat completion with one choice", _is_completion),
    Rule("refusal", "The model did not refuse", _not_refused),
    Rule("truncated", "The answer was not cut off at the token limit", _not_truncated),
    Rule("content_filter", "No content filter stopped it", _not_filtered),
    Rule("finish_reason", "It ended by itself", _ended),
    Rule("text", "The message has a text", _has_text),
    Rule("json", "The text is JSON, and no key comes twice in an object", _is_json),
    Rule("keys", "An object with exactly the keys meta, demand and decision_latency", _holds(whole=False)),
    Rule("meta", "meta: exactly its keys, and the input's totals", _holds("meta", whole=True)),
    Rule("demand", "demand: an object with exactly its two lists", _holds("demand", whole=False)),
    Rule(
        "weekly_volume",
        "demand.weekly_volume: every week and count of the input, in order",
        _holds("demand", "weekly_volume", whole=True),
    ),
    Rule(
        "price_distribution",
        "demand.price_distribution: every band and count of the input, in order",
        _holds("demand", "price_distribution", whole=True),
    ),
    Rule(
        "decision_latency",
        "decision_latency: an object with exactly its list",
        _holds("decision_latency", whole=False),
    ),
    Rule(
        "distribution",
        "decision_latency.distribution: every band and count of the input, in order",
        _holds("decision_latency", "distribution", whole=True),
    ),
)
"""Every rule, in the order in which the first that does not hold rejects the answer."""
