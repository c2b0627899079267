"""An answer repeats its input exactly or is rejected: CONTRACT, What it must answer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secondlook.domain.buckets import AgentInput
from secondlook.domain.snapshots import SnapshotResult
from secondlook.domain.usage import Usage
from secondlook.errors import AnswerRejected
from secondlook.tasks.snapshot.rules import check_answer, count_matches, read_completion, set_metadata
from tests.examples import MODEL, SNAPSHOT, SOURCE, body_of, completion, echo, example_input
from tests.strategies import agent_inputs, mutations

INPUT = example_input()


def rejection(body: str, agent_input: AgentInput = INPUT) -> AnswerRejected:
    """The error that a body is rejected with."""
    with pytest.raises(AnswerRejected) as caught:
        check_answer(body, agent_input)
    return caught.value


def accepted(body: str) -> bool:
    """Whether a body is taken for the right answer."""
    try:
        check_answer(body, INPUT)
    except AnswerRejected:
        return False
    return True


def changed(*path: str | int, to: object) -> dict[str, Any]:
    """The right answer with one value changed."""
    answer = echo()
    place: Any = answer
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = to
    return answer


def without(*path: str | int) -> dict[str, Any]:
    """The right answer with one key or item less."""
    answer = echo()
    place: Any = answer
    for step in path[:-1]:
        place = place[step]
    del place[path[-1]]
    return answer


WEEKS = ("demand", "weekly_volume")
PRICES = ("demand", "price_distribution")
LATENCIES = ("decision_latency", "distribution")
FIRST_WEEK = {"week": "2026-W01", "count": 15}
SECOND_WEEK = {"week": "2026-W02", "count": 20}
RIGHT = json.dumps(echo())


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(json.dumps(echo(), separators=(",", ":")), id="compact"),
        pytest.param(json.dumps(echo(), indent=4), id="indented"),
        pytest.param(f"\n {RIGHT} \n", id="white space around it"),
        pytest.param(json.dumps(echo(), sort_keys=True), id="keys in another order"),
        pytest.param(json.dumps(changed("meta", "snapshot_id", to="\ud800")), id="any identity"),
        pytest.param(json.dumps(changed("meta", "source_id", to="")), id="an empty identity"),
    ],
)
def test_the_right_answer_is_accepted(text: str) -> None:
    """White space and the order of keys carry no meaning; the identity is overwritten anyway."""
    assert check_answer(body_of(text), INPUT)["demand"] == echo()["demand"]


@pytest.mark.parametrize("refusal", ["", None, [], {}, 0, False], ids=repr)
def test_an_empty_refusal_is_none(refusal: object) -> None:
    """Some servers send the key with nothing in it beside a right answer."""
    assert check_answer(body_of(RIGHT, refusal=refusal), INPUT) == echo()


@given(agent_inputs())
def test_an_echo_of_any_input_is_accepted(agent_input: AgentInput) -> None:
    """Whatever valid buckets there are, repeating them is right, and becomes the stored result."""
    accepted = check_answer(body_of(echo(agent_input)), agent_input)
    result = set_metadata(
        accepted, snapshot_id=SNAPSHOT, source_id=SOURCE, generated_at="2026-11-22T10:00:00Z"
    )
    assert result.demand == agent_input.demand
    assert result.decision_latency == agent_input.decision_latency
    assert result.meta.estimate_count == agent_input.estimate_count


def test_every_change_of_an_answer_is_rejected() -> None:
    """Each single change of the example's answer: a leaf, an item, a key, a type."""
    tried = 0
    for what, answer in mutations(echo()):
        tried += 1
        assert not accepted(body_of(json.dumps(answer))), what
    assert tried > 200


@settings(max_examples=60)
@given(agent_inputs(), st.data())
def test_any_change_of_any_answer_is_rejected(agent_input: AgentInput, data: st.DataObject) -> None:
    """The same for any buckets."""
    _, answer = data.draw(st.sampled_from(list(mutations(echo(agent_input)))))
    rejection(body_of(json.dumps(answer)), agent_input)


@pytest.mark.parametrize(
    ("body", "reason", "path", "message"),
    [
        pytest.param("", "not_completion", None, "the answer is empty", id="empty body"),
        pytest.param(" \n", "not_completion", None, "the answer is empty", id="blank body"),
        pytest.param(
            "<html></html>",
            "not_completion",
            None,
            "the answer is an HTML page, not a chat completion",
            id="HTML",
        ),
        pytest.param(
            "upstream error",
            "not_completion",
            None,
            "the answer is no JSON, not a chat completion",
            id="text",
        ),
        pytest.param(
            body_of(echo())[:-20],
            "not_completion",
            None,
            "the answer is no JSON, not a chat completion",
            id="cut off body",
        ),
        pytest.param(
            json.dumps({"choices": []}),
            "not_completion",
            None,
            "the answer is not a chat completion with one choice",
            id="no choice",
        ),
        pytest.param(
            json.dumps({"choices": completion(echo())["choices"] * 2}),
            "not_completion",
            None,
            "the answer is not a chat completion with one choice",
            id="two choices",
        ),
        pytest.param(
            json.dumps(echo()),
            "not_completion",
            None,
            "the answer is not a chat completion with one choice",
            id="the result itself",
        ),
        pytest.param(
            body_of(None, refusal="I cannot"),
            "refusal",
            "choices[0].message.refusal",
            "the model refused to answer at choices[0].message.refusal",
            id="refusal",
        ),
        pytest.param(
            body_of(RIGHT, refusal="I cannot"),
            "refusal",
            "choices[0].message.refusal",
            "the model refused to answer at choices[0].message.refusal",
            id="refusal beside an answer",
        ),
        pytest.param(
            body_of(RIGHT[:50], finish_reason="length"),
            "truncated",
            "choices[0].finish_reason",
            "the answer was cut off at the token limit at choices[0].finish_reason",
            id="length",
        ),
        pytest.param(
            body_of(RIGHT, finish_reason="content_filter"),
            "content_filter",
            "choices[0].finish_reason",
            "the provider's content filter stopped it at choices[0].finish_reason",
            id="content filter",
        ),
        pytest.param(
            body_of(RIGHT, finish_reason="tool_calls"),
            "finish_reason",
            "choices[0].finish_reason",
            "the answer did not end by itself at choices[0].finish_reason",
            id="another end",
        ),
        pytest.param(
            body_of(RIGHT, finish_reason=None),
            "finish_reason",
            "choices[0].finish_reason",
            "the answer did not end by itself at choices[0].finish_reason",
            id="no end",
        ),
        pytest.param(
            body_of(None),
            "empty",
            "choices[0].message.content",
            "the message has no text at choices[0].message.content",
            id="null content",
        ),
        pytest.param(
            body_of(""),
            "empty",
            "choices[0].message.content",
            "the message has no text at choices[0].message.content",
            id="empty content",
        ),
        pytest.param(
            body_of(f"```json\n{RIGHT}\n```"), "not_json", None, "the text is in a code fence", id="fenced"
        ),
        pytest.param(
            body_of(f"Here it is: {RIGHT}"), "not_json", None, "the text is not one JSON object", id="prose"
        ),
        pytest.param(
            body_of(RIGHT + RIGHT), "not_json", None, "the text is not one JSON object", id="two objects"
        ),
        pytest.param(body_of(RIGHT[:-1]), "not_json", None, "the text is not one JSON object", id="cut off"),
        pytest.param(
            body_of(RIGHT.replace("15", "NaN")), "not_json", None, "the text is not one JSON object", id="NaN"
        ),
        pytest.param(
            body_of("[" * 100_000), "not_json", None, "the text is not one JSON object", id="endless nesting"
        ),
        pytest.param(
            body_of(RIGHT.replace("15", "1" * 5000)),
            "not_json",
            None,
            "the text is not one JSON object",
            id="endless number",
        ),
        pytest.param(
            body_of(RIGHT.replace('"demand":', '"demand": {}, "demand":')),
            "duplicate_key",
            None,
            "a key comes twice in one object",
            id="key twice",
        ),
        pytest.param(body_of([echo()]), "schema", "$", "must be an object at $", id="list"),
        pytest.param(body_of("12"), "schema", "$", "must be an object at $", id="number"),
    ],
)
def test_what_is_no_answer(body: str, reason: str, path: str | None, message: str) -> None:
    """Each kind of wrong answer has its reason and its words."""
    error = rejection(body)
    assert (error.reason, error.path) == (reason, path)
    assert error.message == f"Answer rejected ({reason}): {message}"


@pytest.mark.parametrize(
    ("answer", "reason", "path"),
    [
        pytest.param(
            changed(*WEEKS, 1, "count", to=21), "mismatch", "demand.weekly_volume[1].count", id="count"
        ),
        pytest.param(
            changed(*WEEKS, 0, "week", to="2026-W03"), "mismatch", "demand.weekly_volume[0].week", id="week"
        ),
        pytest.param(
            changed(*PRICES, 0, "band", to="< 500"),
            "mismatch",
            "demand.price_distribution[0].band",
            id="band",
        ),
        pytest.param(
            changed(*LATENCIES, 3, "count", to=1),
            "mismatch",
            "decision_latency.distribution[3].count",
            id="zero",
        ),
        pytest.param(
            changed("meta", "estimate_count", to=36), "mismatch", "meta.estimate_count", id="estimate count"
        ),
        pytest.param(
            changed("meta", "confidence_level", to="high"),
            "mismatch",
            "meta.confidence_level",
            id="confidence",
        ),
        pytest.param(without(*WEEKS, 1), "mismatch", "demand.weekly_volume[1]", id="week dropped"),
        pytest.param(without(*PRICES, 3), "mismatch", "demand.price_distribution[3]", id="zero band dropped"),
        pytest.param(
            changed(*WEEKS, to=[SECOND_WEEK, FIRST_WEEK]),
            "mismatch",
            "demand.weekly_volume[0].week",
            id="swapped",
        ),
        pytest.param(
            changed(*WEEKS, to=[FIRST_WEEK, SECOND_WEEK, SECOND_WEEK]),
            "mismatch",
            "demand.weekly_volume[2]",
            id="duplicated",
        ),
        pytest.param(
            changed(*WEEKS, 0, "count", to="15"), "schema", "demand.weekly_volume[0].count", id="text"
        ),
        pytest.param(
            changed(*WEEKS, 0, "count", to=15.0), "schema", "demand.weekly_volume[0].count", id="float"
        ),
        pytest.param(
            changed(*WEEKS, 0, "count", to=True), "schema", "demand.weekly_volume[0].count", id="true"
        ),
        pytest.param(
            changed(*WEEKS, 0, "week", to=202601), "schema", "demand.weekly_volume[0].week", id="number"
        ),
        pytest.param(changed(*WEEKS, to={}), "schema", "demand.weekly_volume", id="object for a list"),
        pytest.param(
            changed("meta", "generated_at", to=None), "schema", "meta.generated_at", id="null identity"
        ),
        pytest.param(without("decision_latency"), "schema", "decision_latency", id="no decision_latency"),
        pytest.param(without("meta", "snapshot_id"), "schema", "meta.snapshot_id", id="no snapshot_id"),
    ],
)
def test_where_an_answer_differs(answer: object, reason: str, path: str) -> None:
    """The path of the first difference is named, never the value."""
    error = rejection(body_of(answer))
    assert (error.reason, error.path) == (reason, path)
    assert error.message.endswith(f" at {path}")


@pytest.mark.parametrize(
    ("answer", "where", "key"),
    [
        pytest.param(changed("summary", to="fine"), "", "summary", id="at the top"),
        pytest.param(changed("meta", "model", to="fine"), "meta", "model", id="in meta"),
        pytest.param(changed("meta", "Model", to=1), "meta", "Model", id="capital"),
        pytest.param(changed(*WEEKS, 0, "share", to=0.4), "demand.weekly_volume[0]", "share", id="in a week"),
        pytest.param(changed("meta", "x" * 40, to=1), "meta", "x" * 40, id="40 characters"),
        pytest.param(changed("meta", "x" * 41, to=1), "meta", f'"{"x" * 37}..."', id="41 characters"),
        pytest.param(changed("meta", "a.b\n\u202e", to=1), "meta", r'"a.b\n\u202e"', id="no plain name"),
        pytest.param(changed("meta", "\ud800", to=1), "meta", r'"\ud800"', id="surrogate"),
        pytest.param(changed("meta", "", to=1), "meta", '""', id="empty"),
    ],
)
def test_an_unknown_key_is_named_in_the_path(answer: object, where: str, key: str) -> None:
    """QA sees what the model added; the message says only where."""
    error = rejection(body_of(answer))
    assert (error.reason, error.path) == ("schema", f"{where}.{key}".lstrip("."))
    assert error.message == f"Answer rejected (schema): a key is not in the schema at {where or '$'}"


def test_the_first_difference_is_named() -> None:
    """Of several differences the first in the schema's order is named."""
    answer = changed(*LATENCIES, 0, "count", to=0)
    answer["demand"]["price_distribution"][1]["count"] = 0
    assert rejection(body_of(answer)).path == "demand.price_distribution[1].count"


def test_a_message_never_quotes_the_answer() -> None:
    """What a model wrote, keys included, stays out of the message; a path may hold a key, and no value."""
    right = echo()
    for what, answer in mutations(changed("secret-7919", to="secret-1709")):
        if answer == right:
            continue
        error = rejection(body_of(json.dumps(answer)))
        assert "7919" not in error.message, what
        assert "1709" not in error.message + str(error.path), what


def test_the_stored_result_has_exactly_the_locked_keys() -> None:
    """The identity is set by the code, whatever the agent wrote there."""
    accepted = check_answer(body_of(changed("meta", "snapshot_id", to="mine")), INPUT)
    result = set_metadata(
        accepted, snapshot_id=SNAPSHOT, source_id=SOURCE, generated_at="2026-11-22T10:00:00Z"
    )
    assert result.model_dump(mode="json") == {
        **echo(),
        "meta": {
            "snapshot_id": SNAPSHOT,
            "source_id": SOURCE,
            "generated_at": "2026-11-22T10:00:00Z",
            "estimate_count": 35,
            "confidence_level": "low",
        },
    }


@pytest.mark.parametrize(
    ("answer", "matches"),
    [
        pytest.param(echo(), 22, id="the right answer"),
        pytest.param(changed(*WEEKS, 1, "count", to=21), 21, id="a count"),
        pytest.param(changed(*WEEKS, 1, "week", to="2026-W09"), 21, id="a week"),
        pytest.param(changed("meta", "confidence_level", to="high"), 21, id="confidence"),
        pytest.param(changed("meta", "estimate_count", to=36), 21, id="estimate count"),
        pytest.param(without(*WEEKS, 1), 20, id="a week less"),
    ],
)
def test_values_are_counted(answer: dict[str, Any], matches: int) -> None:
    """Ten entries of two values, and the two totals: "N of N values match the buckets"."""
    result = SnapshotResult.model_validate(answer, strict=False)
    assert count_matches(result, INPUT) == (matches, 22)


_any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(
                [
                    "choices",
                    "message",
                    "content",
                    "refusal",
                    "finish_reason",
                    "usage",
                    "model",
                    "prompt_tokens",
                ]
            ),
            inner,
        )
    ),
    max_leaves=12,
)


@given(st.text(st.characters()) | _any_json.map(json.dumps))
def test_reading_never_raises(body: str) -> None:
    """Any text is read; what is odd about it is its problem. And nothing of the kind is accepted."""
    read_completion(body)
    rejection(body)


@given(_any_json, _any_json)
def test_reading_a_completion_of_anything_never_raises(content: object, usage: object) -> None:
    """Nor does a completion whose parts are anything at all."""
    whole = {"choices": [{"message": {"content": content}, "finish_reason": content}], "usage": usage}
    body = json.dumps({**whole, "model": content})
    read_completion(body)
    rejection(body)


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        pytest.param(None, Usage(), id="none"),
        pytest.param({}, Usage(), id="empty"),
        pytest.param("many", Usage(), id="text"),
        pytest.param({"prompt_tokens": 7}, Usage(prompt_tokens=7), id="one of them"),
        pytest.param({"prompt_tokens": 0}, Usage(prompt_tokens=0), id="zero is known"),
        pytest.param({"prompt_tokens": -7, "total_tokens": 1.5}, Usage(), id="nonsense"),
        pytest.param({"prompt_tokens": True, "completion_tokens": 2**40}, Usage(), id="more nonsense"),
        pytest.param(
            completion("")["usage"],
            Usage(prompt_tokens=400, completion_tokens=150, total_tokens=550, cached_tokens=100),
            id="whole",
        ),
    ],
)
def test_unknown_usage_is_unknown(usage: object, expected: Usage) -> None:
    """Tokens that an answer does not tell are None, never 0."""
    assert read_completion(json.dumps({**completion(""), "usage": usage})).usage == expected


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        pytest.param(MODEL, MODEL, id="a name"),
        pytest.param(None, None, id="none"),
        pytest.param("a\nb", None, id="two lines"),
        pytest.param("x" * 201, None, id="too long"),
        pytest.param(4, None, id="number"),
    ],
)
def test_a_models_name_is_short_and_plain(model: object, expected: str | None) -> None:
    """The answering model's name is stored and shown, so only a plain one is taken."""
    assert read_completion(json.dumps({**completion(""), "model": model})).model == expected
