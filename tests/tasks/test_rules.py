"""An answer repeats its input exactly or is rejected: docs/contract.md: What it must answer."""

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
from secondlook.providers.openai.envelope import read_completion
from secondlook.tasks.checklist import UNREAD_REASONS
from secondlook.tasks.snapshot.rules import Json, check_answer, count_matches
from secondlook.tasks.snapshot.task import set_metadata
from tests.examples import MODEL, SNAPSHOT, SOURCE, body_of, completion, echo, example_input
from tests.processes import samples
from tests.strategies import agent_inputs, mutations
from tests.wrong_answers import ANSWER, BODY, WRONG_ANSWERS, WrongAnswer

INPUT = example_input()
SAMPLE_INPUT = example_input(samples()[0].buckets, ANSWER["meta"]["estimate_count"])


def check(body: str, agent_input: AgentInput = INPUT) -> Json:
    """The answer of a body, where it is accepted."""
    return check_answer(read_completion(body), agent_input)


def rejection(body: str, agent_input: AgentInput = INPUT) -> AnswerRejected:
    """The error that a body is rejected with."""
    with pytest.raises(AnswerRejected) as caught:
        check(body, agent_input)
    return caught.value


def accepted(body: str) -> bool:
    """Whether a body is taken for the right answer."""
    try:
        check(body)
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
LATENCIES = ("decision_latency", "distribution")
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
    """White space and the order of keys mean nothing; the identity is overwritten anyway."""
    assert check(body_of(text))["demand"] == echo()["demand"]


@pytest.mark.parametrize("refusal", ["", None, [], {}, 0, False], ids=repr)
def test_an_empty_refusal_is_none(refusal: object) -> None:
    """Some servers send the key with nothing in it beside a right answer."""
    assert check(body_of(RIGHT, refusal=refusal)) == echo()


@given(agent_inputs())
def test_an_echo_of_any_input_is_accepted(agent_input: AgentInput) -> None:
    """Whatever valid buckets there are, repeating them is right, and becomes the stored result."""
    accepted = check(body_of(echo(agent_input)), agent_input)
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


@pytest.mark.parametrize("wrong", WRONG_ANSWERS, ids=[wrong.name for wrong in WRONG_ANSWERS])
def test_each_wrong_answer_has_its_reason(wrong: WrongAnswer) -> None:
    """The path of the first difference is named, never the value."""
    error = rejection(wrong.body, SAMPLE_INPUT)
    assert (error.reason, error.path, error.message) == (wrong.reason, wrong.path, wrong.message)


def test_the_right_answer_of_that_table_is_accepted() -> None:
    """What is wrong with the others is that alone."""
    assert check_answer(read_completion(BODY), SAMPLE_INPUT) == ANSWER


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
    """QA can see what the model added; the message says only where."""
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
    accepted = check(body_of(changed("meta", "snapshot_id", to="mine")))
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
    assert count_matches(result, INPUT.model_dump_json()) == (matches, 22)


_any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("choices", "message", "content", "refusal", "finish_reason", "usage", "model"),
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
        pytest.param({"reasoning_tokens": 0, "prompt_tokens": 9}, Usage(prompt_tokens=9), id="a part of it"),
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


def test_reasons_of_any_answer_are_listed() -> None:
    """The filter for answers that differ leaves out exactly those that could not be read."""
    unread = (
        "<html>",
        body_of(None, refusal="No"),
        body_of("{", finish_reason="length"),
        body_of("{", finish_reason="content_filter"),
        body_of("{", finish_reason="tool_calls"),
        body_of(""),
        body_of("no JSON"),
        body_of('{"meta": 1, "meta": 1}'),
    )
    assert tuple(rejection(body).reason for body in unread) == UNREAD_REASONS
    assert rejection(body_of("[]")).reason not in UNREAD_REASONS
