"""The offline agent: the same client, request and parsing, without network and without key."""

from __future__ import annotations

from contextlib import closing

import pytest
from hypothesis import given, settings

from secondlook.domain.answers import AgentAnswer
from secondlook.domain.buckets import AgentInput
from secondlook.errors import ProviderError
from secondlook.providers.offline import Offline
from secondlook.settings import load_settings
from secondlook.tasks.snapshot.offline import ANSWERERS
from secondlook.tasks.snapshot.prompt import estimate_usage
from secondlook.tasks.snapshot.rules import check_answer
from tests.examples import MODEL, example_input, example_request
from tests.strategies import agent_inputs


def ask(agent_input: AgentInput) -> AgentAnswer:
    """The offline agent's answer."""
    kept: list[AgentAnswer] = []
    with closing(Offline(load_settings(), ANSWERERS)) as agent:
        agent.ask(example_request(agent_input), kept.append)
    (answer,) = kept
    return answer


def test_it_answers_as_the_model_should() -> None:
    """Its answer is accepted, names the model that was asked, and has a request id."""
    answer = ask(example_input())
    check_answer(Offline.read(answer.body), example_input())
    assert (answer.model, answer.request_id) == (MODEL, "offline")


def test_its_usage_is_marked_as_estimated() -> None:
    """What a page estimated before is what the offline agent says after."""
    answer = ask(example_input())
    assert answer.usage == estimate_usage(example_input())
    assert answer.usage.estimated


@settings(max_examples=15)
@given(agent_inputs())
def test_it_answers_any_input(agent_input: AgentInput) -> None:
    """Any valid buckets come back unchanged through the real client."""
    check_answer(Offline.read(ask(agent_input).body), agent_input)


def test_a_prompt_of_an_unknown_version() -> None:
    """A run with a prompt that nobody here can read is refused; its outcome is known: nothing was sent."""
    request = {**example_request(), "messages": [{"role": "user", "content": "Weeks: 01 has 15"}]}
    with (
        closing(Offline(load_settings(), ANSWERERS)) as provider,
        pytest.raises(ProviderError, match="prompt is of another version") as caught,
    ):
        provider.ask(request, lambda _: None)
    assert caught.value.outcome == "refused"
