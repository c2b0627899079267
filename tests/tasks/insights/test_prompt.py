"""What is asked: facts alone, the same bytes for the same facts, and what never changes first."""

from __future__ import annotations

import json
from dataclasses import replace

import jsonschema
import pytest

from secondlook.tasks.insights.offline import answer_offline
from secondlook.tasks.insights.prompt import InsightsInput, build_input, lay_out, question
from secondlook.tasks.insights.rules import refused_by
from secondlook.tasks.insights.schema import INSIGHTS
from secondlook.tasks.insights.vocabulary import GROUPS
from tests.tasks.insights.situations import GROWING, SITUATIONS


def test_equal_facts_are_equal_requests() -> None:
    """Cells, p values and our own sentences are not told."""
    facts = list(GROWING.values())
    others = [replace(fact, p=0.5, cells=("x",), sentence="Another.") for fact in facts]
    assert question(build_input(facts)) == question(build_input(others))


def test_what_never_changes_comes_first() -> None:
    """The instructions with the vocabulary are the same for all facts; so is the schema."""
    asked = [question(build_input(list(facts.values()))) for facts in SITUATIONS.values()]
    assert len({each.messages[0].content for each in asked}) == 1
    assert len({each.messages[1].content for each in asked}) == len(SITUATIONS)
    assert all(each.answer_schema == each.fixed_schema == INSIGHTS for each in asked)


def test_the_agent_is_told_every_group_of_words() -> None:
    """What the rules take is what the prompt offers, by its first form or by the words that it is made of."""
    told = question(build_input([])).messages[0].content
    offered = set(told.replace(",", " ").split())
    for group in GROUPS:
        for entry in group.entries:
            assert entry[0] in told or set(entry[0].split()) & offered, entry[0]


def test_a_journaled_input_is_read_as_it_was() -> None:
    """The rules judge a run's answer by the facts that were sent, to the last digit."""
    given = build_input(list(GROWING.values()))
    assert InsightsInput.model_validate_json(given.model_dump_json()) == given
    assert given.by_id()["volume"].values["average"] == GROWING["volume"].values["average"]


def test_shares_are_rounded_for_the_agent_alone() -> None:
    """It needs no digit more: the code puts the values in."""
    facts = json.loads(lay_out(build_input(list(GROWING.values()))))["facts"]
    assert next(fact["values"]["average"] for fact in facts if fact["id"] == "volume") == 7.14


@pytest.mark.parametrize("name", SITUATIONS)
def test_the_offline_agent_says_what_a_model_may_say(name: str) -> None:
    """Its answer fits the schema, and each of its sentences is accepted."""
    given = build_input(list(SITUATIONS[name].values()))
    answer, usage = answer_offline(lay_out(given))
    jsonschema.Draft202012Validator(INSIGHTS).validate(answer)  # pyright: ignore[reportUnknownMemberType] -- its types are partial
    said = [answer["headline"], *answer["insights"]]
    assert [refused_by(each["text"], each["facts"], given.by_id()) for each in said] == [None] * len(said)
    assert usage.total_tokens == question(given).usage.total_tokens
