"""Rules for a snapshot's answer: it repeats its input exactly, or is rejected.

The source is docs/contract.md: What it must answer. Messages name the rule and the path of the first
difference, never a value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import cast

from secondlook.domain.answers import Completion
from secondlook.domain.buckets import AgentInput
from secondlook.domain.snapshots import SnapshotResult
from secondlook.tasks.checklist import ANY_ANSWER, Reading, Rule, accept, reject

Json = dict[str, object]

_LONGEST_KEY = 40


@dataclass
class SnapshotReading(Reading):
    """An answer while the rules check it.

    Attributes:
        expected: The one answer that is right.
    """

    expected: Json = field(default_factory=dict[str, object])


def check_answer(completion: Completion, agent_input: AgentInput) -> Json:
    """Accept an answer that repeats its input exactly.

    Args:
        completion: What came.
        agent_input: What was sent.

    Returns:
        The answer; its three identity fields hold whatever the agent wrote there.

    Raises:
        AnswerRejected: With the rule as `reason` and the `path` of the first difference.
    """
    reading = SnapshotReading(completion, expected=expected_answer(agent_input))
    return cast("Json", accept(RULES, reading))


def expected_answer(agent_input: AgentInput) -> Json:
    """The only right answer; `str` means any string (the agent cannot know the identity)."""
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


def count_matches(result: SnapshotResult, written: str) -> tuple[int, int]:
    """How many values of a result equal the input's: each week, band and count, and the two totals.

    Args:
        result: The result.
        written: The input, as its run holds it.

    Returns:
        The values that match, and the values of the input in all.
    """
    shown = result.model_dump(mode="json")
    totals = {key: shown["meta"][key] for key in ("estimate_count", "confidence_level")}
    values = dict(_leaves(json.loads(written)))
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


_TYPES: dict[type, str] = {dict: "an object", list: "a list", int: "an integer", str: "a string"}


def difference(expected: object, actual: object) -> tuple[str, str] | None:
    """What is wrong with one value, whatever is inside it: the reason and the words, or None.

    Args:
        expected: What must be there; a type means any value of that type.
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
        reject(*wrong, path or "$")
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
            reject("schema", "a key is missing", prefix + key)
    unknown = next((key for key in actual if key not in expected), None)
    if unknown is not None:
        # The key's name is the model's own text: the path has it, for QA; the message does not.
        reject("schema", "a key is not in the schema", prefix + _shown(unknown), place=path or "$")


def _shown(key: str) -> str:
    """Return a key that the model added as the end of a path: short, and quoted if it is no plain name."""
    short = key if len(key) <= _LONGEST_KEY else f"{key[: _LONGEST_KEY - 3]}..."
    return short if re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", short) else json.dumps(short)


def _compare_items(expected: list[object], actual: list[object], path: str) -> None:
    for index, value in enumerate(expected):
        if index >= len(actual):
            reject("mismatch", "a bucket is missing", f"{path}[{index}]")
        _compare(value, actual[index], f"{path}[{index}]")
    if len(actual) > len(expected):
        reject("mismatch", "there is more than in the buckets", f"{path}[{len(expected)}]")


# -- the rules ------------------------------------------------------------------------------------------


def _holds(*path: str, whole: bool) -> Callable[[SnapshotReading], None]:
    """A rule on one part of the answer: all that is in it, or only that it is an object with its keys."""

    def check(reading: SnapshotReading) -> None:
        expected, actual, name = cast("object", reading.expected), reading.answer, ".".join(path)
        for key in path:  # the rules before have seen that it is there
            expected, actual = cast("Json", expected)[key], cast("Json", actual)[key]
        if whole:
            _compare(expected, actual, name)
            return
        wrong = difference(expected, actual)
        if wrong is not None:
            reject(*wrong, name or "$")
        _check_keys(cast("Json", expected), cast("Json", actual), name)

    return check


RULES: tuple[Rule[SnapshotReading], ...] = (
    *ANY_ANSWER,
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
