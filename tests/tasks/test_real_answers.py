"""Answers that real models gave, right and wrong ones, and what the rules say of them.

docs/models.md tells where they come from. The verdicts next to them were given by real_answers/judge.py,
which shares no code with the rules.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench.models.inputs import FORMS
from secondlook.domain.buckets import AgentInput
from secondlook.errors import AnswerRejected
from secondlook.tasks.snapshot.rules import check_answer, read_completion
from secondlook.tasks.snapshot.trace import trace
from tests.tasks.real_answers.judge import verdict

FILE = Path(__file__).parent / "real_answers" / "answers.jsonl"
ANSWERS: list[dict[str, Any]] = [json.loads(line) for line in FILE.read_text().splitlines()]


def test_there_are_some_of_each_kind() -> None:
    """Right, wrong and truncated ones, of both models and of each prompt."""
    assert {answer["verdict"]["reason"] for answer in ANSWERS} >= {None, "mismatch", "truncated"}
    assert {answer["model"] for answer in ANSWERS} == {"gemma", "smollm2"}
    assert {answer["form"] for answer in ANSWERS} >= set(FORMS)


@pytest.mark.parametrize(
    "answer",
    ANSWERS,
    ids=lambda each: f"{each['model']}, {each['form']}, {each['weeks']} weeks, {each['number']}",
)
def test_the_rules_agree_with_another_reading(answer: dict[str, Any]) -> None:
    """Accepted or not, for the same reason, at the same part of the answer."""
    agent_input = AgentInput.model_validate_json(json.dumps(answer["input"]))
    expected = answer["verdict"]
    assert verdict(answer["input"], answer["body"]) == expected
    completion = read_completion(answer["body"])
    assert trace(completion, agent_input).accepted == expected["accepted"]
    if expected["accepted"]:
        check_answer(completion, agent_input)
        return
    with pytest.raises(AnswerRejected) as rejected:
        check_answer(completion, agent_input)
    assert rejected.value.reason == expected["reason"]
    if expected["part"] is not None:
        assert (rejected.value.path or "").startswith(expected["part"])
