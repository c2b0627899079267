"""Answers that must be rejected, each with its reason: the one table of them.

The rules are held against all of them, and some come over a socket: what is kept of a body, and what is said
about it, does not depend on which rule it breaks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from tests.processes import samples
from tests.provider import Json, completion

ANSWER = samples()[0].answer
"""The right answer, that of the first sample."""

TEXT = json.dumps(ANSWER, separators=(",", ":"))
BODY = json.dumps(completion(TEXT))
UNKNOWN_KEY = "a key is not in the schema"
_WEEKS = len(ANSWER["demand"]["weekly_volume"])


@dataclass(frozen=True)
class WrongAnswer:
    """A whole body of an HTTP answer, and why it is rejected.

    Attributes:
        name: What is wrong with it.
        body: The body.
        reason: The rule's reason.
        path: Of the first difference, where there is one.
        words: What the message says of it.
    """

    name: str
    body: str
    reason: str
    path: str | None
    words: str

    @property
    def message(self) -> str:
        """The whole message. It tells where a key is unknown, not which: that is the model's own text."""
        place = self.path
        if self.words == UNKNOWN_KEY:
            place = (self.path or "").rpartition(".")[0] or "$"
        where = f" at {place}" if place else ""
        return f"Answer rejected ({self.reason}): {self.words}{where}"


def weeks(answer: Json) -> list[Json]:
    """The weeks of an answer."""
    return answer["demand"]["weekly_volume"]


def prices(answer: Json) -> list[Json]:
    """The price bands of an answer."""
    return answer["demand"]["price_distribution"]


def latencies(answer: Json) -> list[Json]:
    """The latency bands of an answer."""
    return answer["decision_latency"]["distribution"]


def swap(entries: list[Any], one: int, other: int) -> None:
    """Exchange two entries."""
    entries[one], entries[other] = entries[other], entries[one]


Edit = Callable[[Json], object]


def edited(edit: Edit) -> str:
    """The body of the right answer, edited."""
    answer = deepcopy(ANSWER)
    edit(answer)
    return said(json.dumps(answer, separators=(",", ":")))


def said(text: str | None) -> str:
    """The body of an answer with this text."""
    return json.dumps(completion(text))


def enveloped(edit: Edit) -> str:
    """The right text in an edited completion."""
    body = completion(TEXT)
    edit(body)
    return json.dumps(body)


def choice(**values: object) -> str:
    """The right text in an edited choice."""
    return enveloped(lambda body: body["choices"][0].update(values))


def message(**values: object) -> str:
    """The right text in an edited message."""
    return enveloped(lambda body: body["choices"][0]["message"].update(values))


_V, _P, _D = "demand.weekly_volume", "demand.price_distribution", "decision_latency.distribution"

# What is wrong, the edit, where it is first seen: a value that differs, one too few, one too many.
_DIFFERS: list[tuple[str, Edit, str]] = [
    (
        "changed count of a week",
        lambda a: weeks(a)[3].update(count=weeks(a)[3]["count"] + 1),
        f"{_V}[3].count",
    ),
    (
        "changed count of a band",
        lambda a: prices(a)[2].update(count=prices(a)[2]["count"] - 1),
        f"{_P}[2].count",
    ),
    ("latency band of zero", lambda a: latencies(a)[3].update(count=0), f"{_D}[3].count"),
    ("changed week", lambda a: weeks(a)[3].update(week="2017-W15"), f"{_V}[3].week"),
    ("changed band", lambda a: prices(a)[1].update(band="500\N{EN DASH}1500"), f"{_P}[1].band"),
    ("changed latency band", lambda a: latencies(a)[0].update(band="0-2"), f"{_D}[0].band"),
    ("dropped week", lambda a: weeks(a).pop(3), f"{_V}[3].week"),
    ("dropped first band", lambda a: latencies(a).pop(0), f"{_D}[0].band"),
    ("reordered weeks", lambda a: swap(weeks(a), 0, 1), f"{_V}[0].week"),
    ("reordered bands", lambda a: swap(latencies(a), 2, 3), f"{_D}[2].band"),
    ("duplicated week", lambda a: weeks(a).insert(0, dict(weeks(a)[0])), f"{_V}[1].week"),
    ("estimate_count changed", lambda a: a["meta"].update(estimate_count=35), "meta.estimate_count"),
    ("confidence changed", lambda a: a["meta"].update(confidence_level="high"), "meta.confidence_level"),
    ("negative count", lambda a: weeks(a)[0].update(count=-1), f"{_V}[0].count"),
    ("huge integer", lambda a: weeks(a)[0].update(count=10**40), f"{_V}[0].count"),
    ("lone surrogate", lambda a: prices(a)[0].update(band="\ud800"), f"{_P}[0].band"),
    ("null character", lambda a: prices(a)[0].update(band="<500\x00"), f"{_P}[0].band"),
]
_TOO_FEW: list[tuple[str, Edit, str]] = [
    ("dropped last week", lambda a: weeks(a).pop(), f"{_V}[{_WEEKS - 1}]"),
    ("no weeks", lambda a: weeks(a).clear(), f"{_V}[0]"),
    ("dropped last band", lambda a: prices(a).pop(), f"{_P}[3]"),
]
_TOO_MANY: list[tuple[str, Edit, str]] = [
    ("extra week", lambda a: weeks(a).append({"week": "2018-W01", "count": 0}), f"{_V}[{_WEEKS}]"),
    ("last week twice", lambda a: weeks(a).append(dict(weeks(a)[-1])), f"{_V}[{_WEEKS}]"),
    ("extra band", lambda a: prices(a).append({"band": "10000+", "count": 0}), f"{_P}[4]"),
]
_WRONG_KEYS: list[tuple[str, Edit, str, str]] = [
    ("extra top-level key", lambda a: a.update(summary="a good year"), "summary", UNKNOWN_KEY),
    ("extra nested key", lambda a: a["meta"].update(source_name="x"), "meta.source_name", UNKNOWN_KEY),
    ("extra key of a week", lambda a: weeks(a)[1].update(share=0.1), f"{_V}[1].share", UNKNOWN_KEY),
    ("missing key", lambda a: a.pop("decision_latency"), "decision_latency", "a key is missing"),
    (
        "missing nested key",
        lambda a: a["meta"].pop("confidence_level"),
        "meta.confidence_level",
        "a key is missing",
    ),
    ("missing identity", lambda a: a["meta"].pop("snapshot_id"), "meta.snapshot_id", "a key is missing"),
    ("identity is null", lambda a: a["meta"].update(source_id=None), "meta.source_id", "must be a string"),
    ("week as a number", lambda a: weeks(a)[0].update(week=202601), f"{_V}[0].week", "must be a string"),
    ("object for a list", lambda a: a["demand"].update(weekly_volume={}), _V, "must be a list"),
    ("list for an object", lambda a: a.update(meta=[]), "meta", "must be an object"),
    *(
        (
            f"count as {name}",
            lambda a, value=value: weeks(a)[0].update(count=value),
            f"{_V}[0].count",
            "must be an integer",
        )
        for name, value in (("text", "1"), ("1.0", 1.0), ("true", True), ("null", None), ("a list", [1]))
    ),
]
_NOT_AN_OBJECT = {
    "top-level list": f"[{TEXT}]",
    "JSON in a string": json.dumps(TEXT),
    "null": "null",
    "number": "12",
}
_NOT_JSON = {
    "endless integer": TEXT.replace('"count":1}', '"count":' + "1" * 5000 + "}", 1),
    "NaN": TEXT.replace('"count":1}', '"count":NaN}', 1),
    "Infinity": TEXT.replace('"count":1}', '"count":Infinity}', 1),
    "two JSON objects": TEXT + TEXT,
    "prose before": f"Here it is: {TEXT}",
    "trailing text": f"{TEXT}\nAnything else?",
    "byte order mark": "\N{ZERO WIDTH NO-BREAK SPACE}" + TEXT,
    "single quotes": TEXT.replace('"', "'"),
    "unclosed": TEXT[:-1],
    "5 MB of text": "x" * 5_000_000,
    "deep nesting": "[" * 100_000 + "]" * 100_000,
    "never closed": "[" * 100_000,
    "blank content": " \n",
}
_NO_TEXT = {
    "empty content": said(""),
    "null content": said(None),
    "content in parts, none of them text": message(content=[{"type": "image", "text": TEXT}]),
}
_NOT_STOPPED = {
    "tool calls": choice(finish_reason="tool_calls", message={"role": "assistant", "tool_calls": []}),
    "another end": choice(finish_reason="tool_calls"),
    "no finish_reason": choice(finish_reason=None),
}
_NO_CHOICE = {
    "no choices": enveloped(lambda body: body.update(choices=[])),
    "two choices": enveloped(lambda body: body["choices"].append(body["choices"][0])),
    "JSON that is not a completion": '{"ok": true}',
    "a list": "[]",
    "null for a body": "null",
    "the bare answer": TEXT,
}
_NO_JSON_BODY = {
    "text": "upstream error",
    "unclosed, and whole by its length": BODY[:-1],
    "cut off": BODY[:-20],
    "deep nesting of a body": "[" * 100_000,
    "an event stream": f"data: {BODY}\n\ndata: [DONE]\n\n",
    "9 MB": "x" * (9 * 1024 * 1024),
}


def _all() -> Iterator[WrongAnswer]:
    content, end = "choices[0].message.content", "choices[0].finish_reason"
    for rows, words in (
        (_DIFFERS, "a value differs from the buckets"),
        (_TOO_FEW, "a bucket is missing"),
        (_TOO_MANY, "there is more than in the buckets"),
    ):
        for name, edit, path in rows:
            yield WrongAnswer(name, edited(edit), "mismatch", path, words)
    for name, edit, path, words in _WRONG_KEYS:
        yield WrongAnswer(name, edited(edit), "schema", path, words)
    for name, text in _NOT_AN_OBJECT.items():
        yield WrongAnswer(name, said(text), "schema", "$", "must be an object")
    for name, text in _NOT_JSON.items():
        yield WrongAnswer(name, said(text), "not_json", None, "the text is not one JSON object")
    yield WrongAnswer(
        "fenced", said(f"```json\n{TEXT}\n```"), "not_json", None, "the text is in a code fence"
    )
    twice = TEXT.replace('"count":1}', '"count":1,"count":1}', 1)
    yield WrongAnswer("duplicate key", said(twice), "duplicate_key", None, "a key comes twice in one object")
    for name, body in _NO_TEXT.items():
        yield WrongAnswer(name, body, "empty", content, "the message has no text")
    refused = {"refusal": message(content=None, refusal="No."), "refusal beside it": message(refusal="No.")}
    for name, body in refused.items():
        yield WrongAnswer(name, body, "refusal", "choices[0].message.refusal", "the model refused to answer")
    truncated = {
        "truncated": said(TEXT[:200]).replace('"stop"', '"length"'),
        "truncated after its end": choice(finish_reason="length"),
    }
    for name, body in truncated.items():
        yield WrongAnswer(name, body, "truncated", end, "the answer was cut off at the token limit")
    filtered = choice(finish_reason="content_filter")
    words = "the provider's content filter stopped it"
    yield WrongAnswer("content filter", filtered, "content_filter", end, words)
    for name, body in _NOT_STOPPED.items():
        yield WrongAnswer(name, body, "finish_reason", end, "the answer did not end by itself")
    yield from _no_completions()


def _no_completions() -> Iterator[WrongAnswer]:
    for name, body in {"empty body": "", "blank body": "\r\n \r\n"}.items():
        yield WrongAnswer(name, body, "not_completion", None, "the answer is empty")
    page, html = "<!doctype html><html><body>Welcome</body></html>", "the answer is an HTML page"
    yield WrongAnswer("HTML", page, "not_completion", None, f"{html}, not a chat completion")
    for name, body in _NO_JSON_BODY.items():
        words = "the answer is no JSON, not a chat completion"
        yield WrongAnswer(name, body, "not_completion", None, words)
    for name, body in _NO_CHOICE.items():
        words = "the answer is not a chat completion with one choice"
        yield WrongAnswer(name, body, "not_completion", None, words)


WRONG_ANSWERS = list(_all())
