"""The inspector shows what the rules see: cell by cell, rule by rule, whatever the answer holds."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secondlook.domain.buckets import AgentInput
from secondlook.errors import AnswerRejected
from secondlook.providers.openai.envelope import read_completion
from secondlook.tasks.base import Cell, Trace
from secondlook.tasks.snapshot import trace as snapshot_trace
from secondlook.tasks.snapshot.rules import RULES, check_answer
from secondlook.tasks.snapshot.trace import MOST_EXTRA
from tests.examples import body_of, echo, example_input
from tests.strategies import agent_inputs, mutations

INPUT = example_input()
VALUES = 2 * 2 + 2 * 8 + 2
"""Of the example: two weeks and eight bands, each a name and a count, and the two totals."""


def trace(agent_input: AgentInput, body: str | None) -> Trace:
    """The trace of an answer's body."""
    return snapshot_trace.trace(None if body is None else read_completion(body), agent_input)


def rejection(body: str, agent_input: AgentInput = INPUT) -> AnswerRejected | None:
    """What the accepting code says to an answer."""
    try:
        check_answer(read_completion(body), agent_input)
    except AnswerRejected as error:
        return error
    return None


def cell(found: Trace, path: str) -> Cell:
    """The cell at a path."""
    return next(cell for cell in found.cells if cell.path == path)


def agrees(found: Trace, rejected: AnswerRejected | None) -> bool:
    """Whether the inspector says what the accepting code says, and no rule before or after it."""
    states = [check.state for check in found.checks]
    if rejected is None:
        return found.accepted and states == ["passed"] * len(RULES)
    if found.failed is None:
        return False
    place = states.index("failed")
    return (
        states == ["passed"] * place + ["failed"] + ["not_reached"] * (len(RULES) - place - 1)
        and (found.failed.reason, found.failed.path) == (rejected.reason, rejected.path)
        and found.failed.message == rejected.message
    )


def test_the_right_answer() -> None:
    """Every value matches, and every rule has passed."""
    found = trace(INPUT, body_of(echo()))
    assert found.accepted
    assert (found.matched, found.values, found.differing, found.cut) == (VALUES, VALUES, 0, False)
    assert found.findings == ()
    assert len(found.cells) == VALUES + 3
    assert cell(found, "meta.snapshot_id") == Cell("meta.snapshot_id", "", None, '"pending"', "any")
    assert cell(found, "demand.weekly_volume[1].count") == Cell(
        "demand.weekly_volume[1].count", "2026-W02", "20", "20", "equal"
    )


def test_no_answer() -> None:
    """Of a run without an answer nothing was reached, and the input is shown alone."""
    found = trace(INPUT, None)
    assert {check.state for check in found.checks} == {"not_reached"}
    assert {cell.mark for cell in found.cells} == {"unread"}
    assert (found.matched, found.values, found.differing, found.accepted) == (0, VALUES, 0, False)


def test_what_differs_comes_first() -> None:
    """One wrong count among all: it leads, with both values, and the rest is in the schema's order."""
    answer = echo()
    answer["decision_latency"]["distribution"][1]["count"] = 14
    found = trace(INPUT, body_of(answer))
    assert found.cells[0] == Cell("decision_latency.distribution[1].count", "3-7d", "15", "14", "differs")
    assert [one.matches for one in found.cells[1:]] == [True] * (len(found.cells) - 1)
    assert (found.matched, found.differing) == (VALUES - 1, 1)
    assert found.findings == ("Changed latency bands: 3-7d from 15 to 14",)
    assert found.failed is not None
    assert (found.failed.rule.name, found.failed.path) == ("distribution", found.cells[0].path)


def _dropped() -> dict[str, Any]:
    answer = echo()
    del answer["demand"]["price_distribution"][0]
    return answer


def _reordered() -> dict[str, Any]:
    answer = echo()
    answer["demand"]["weekly_volume"].reverse()
    return answer


def _with(place: str, value: object) -> dict[str, Any]:
    answer = echo()
    answer[place] = value
    return answer


@pytest.mark.parametrize(
    ("answer", "rule", "path", "mark", "finding"),
    [
        pytest.param(
            _dropped(),
            "price_distribution",
            "demand.price_distribution[3].band",
            "missing",
            "Missing price bands: <500",
            id="a band dropped",
        ),
        pytest.param(
            _reordered(),
            "weekly_volume",
            "demand.weekly_volume[0].week",
            "differs",
            "The weeks are in another order",
            id="weeks reordered",
        ),
        pytest.param(_with("=cmd", 1), "keys", '["=cmd"]', "extra", None, id="a key too many"),
        pytest.param(_with("meta", None), "meta", "meta", "type", None, id="null for an object"),
        pytest.param(_with("meta", {}), "meta", "meta.estimate_count", "missing", None, id="an empty object"),
        pytest.param([echo()], "keys", "$", "type", None, id="a list around it"),
    ],
)
def test_wrong_answers(answer: object, rule: str, path: str, mark: str, finding: str | None) -> None:
    """Each is told by its rule, by its cell, and in words where a list was changed."""
    found = trace(INPUT, body_of(json.dumps(answer)))
    assert found.failed is not None
    assert found.failed.rule.name == rule
    assert cell(found, path).mark == mark
    assert not cell(found, path).matches
    assert (finding in found.findings) if finding else found.findings == ()


@pytest.mark.parametrize(
    ("text", "changes", "rule"),
    [
        pytest.param(json.dumps(echo())[:200], {"finish_reason": "length"}, "truncated", id="cut off"),
        pytest.param(json.dumps(echo()), {"finish_reason": "length"}, "truncated", id="cut off at its end"),
        pytest.param(json.dumps(echo()), {"refusal": "No."}, "refusal", id="refused beside the answer"),
        pytest.param(None, {"refusal": "No."}, "refusal", id="refused"),
        pytest.param(None, {}, "text", id="no text"),
        pytest.param("```json\n{}\n```", {}, "json", id="in a fence"),
        pytest.param('{"a": 1, "a": 1}', {}, "json", id="a key twice"),
        pytest.param("NaN", {}, "json", id="no number"),
        pytest.param("[" * 100_000, {}, "json", id="too deep to read"),
        pytest.param("[" * 600 + "]" * 600, {}, "keys", id="deep"),
        pytest.param('"\\ud800\\u202e\\u0000"', {}, "keys", id="odd characters"),
    ],
)
def test_answers_that_are_none(text: str | None, changes: dict[str, Any], rule: str) -> None:
    """The inspector and the accepting code stop at the same rule; what can be read is shown."""
    body = body_of(text, **changes)
    found = trace(INPUT, body)
    assert agrees(found, rejection(body))
    assert found.failed is not None
    assert found.failed.rule.name == rule
    assert all(shown.isascii() or "…" in shown for one in found.cells if (shown := one.came))


@pytest.mark.parametrize("body", ["", " ", "<html>", "{}", "[]", "{", "null", '{"choices": []}', "\x00"])
def test_bodies_that_are_no_completion(body: str) -> None:
    """Nothing of them is read, and the first rule says so."""
    found = trace(INPUT, body)
    assert agrees(found, rejection(body))
    assert found.checks[0].state == "failed"
    assert {one.mark for one in found.cells} == {"unread"}


@settings(max_examples=40)
@given(agent_inputs())
def test_any_right_answer(agent_input: AgentInput) -> None:
    """Of any input: the right answer has no cell that differs, and a cell for each value sent."""
    found = trace(agent_input, body_of(echo(agent_input)))
    assert agrees(found, None)
    assert found.matched == found.values
    assert found.differing == 0


def test_any_single_change() -> None:
    """Whatever one thing is changed, the inspector says what the rules say, and a cell that differs leads.

    The cell at the rejection's path, or one inside it, is among those that do not match.
    """
    for what, answer in mutations(echo()):
        body = body_of(json.dumps(answer))
        found, rejected = trace(INPUT, body), rejection(body)
        assert agrees(found, rejected), what
        if rejected is None:
            assert found.differing == 0, what
            continue
        assert not found.cells[0].matches, what
        path = (rejected.path or "").removeprefix("$")
        wrong = [one.path for one in found.cells if not one.matches]
        assert any(one.startswith(path) for one in wrong) or path in wrong, what


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(st.text(), inside, max_size=4),
    max_leaves=20,
)


@settings(max_examples=150)
@given(_json)
def test_any_json(answer: object) -> None:
    """Whatever JSON a model writes, the inspector shows it and agrees with the rules."""
    body = body_of(json.dumps(answer))
    found = trace(INPUT, body)
    assert agrees(found, rejection(body))
    assert found.accepted == (found.differing == 0 and found.matched == found.values)


@settings(max_examples=100)
@given(st.text() | st.binary().map(lambda data: data.decode("utf-8", "replace")))
def test_any_text(text: str) -> None:
    """Whatever text a model writes, too."""
    for body in (text, body_of(text)):
        assert agrees(trace(INPUT, body), rejection(body))


def _wide() -> str:
    return json.dumps({**echo(), "more": list(range(700_000))})


def test_a_big_answer_is_shown_in_part() -> None:
    """Of five megabytes, the input's values are all there; of the rest a part, and it is said."""
    body = body_of(_wide())
    assert len(body) > 5_000_000
    started = time.process_time()
    found = trace(INPUT, body)
    assert time.process_time() - started < 5  # it takes 0.3 s; to look at each value would take a multiple
    assert found.cut
    assert found.matched == VALUES
    assert found.differing == MOST_EXTRA


def test_a_flood_before_the_answer_hides_nothing() -> None:
    """Values that come first in the answer do not crowd out the input's own."""
    body = body_of(json.dumps({"more": list(range(30_000)), **echo()}))
    found = trace(INPUT, body)
    assert (found.matched, found.cut) == (VALUES, True)


def test_long_names_and_values_are_cut() -> None:
    """A name or a value of a megabyte does not reach the page."""
    body = body_of(json.dumps({**echo(), "k" * 1_000_000: "v" * 1_000_000}))
    (extra,) = (one for one in trace(INPUT, body).cells if one.mark == "extra")
    assert len(extra.path) < 100
    assert len(extra.came or "") < 300
