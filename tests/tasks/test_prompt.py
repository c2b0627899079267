"""The request holds the buckets and nothing that says whose they are."""

from __future__ import annotations

import json
from datetime import date, timedelta
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from secondlook.domain.buckets import AgentInput
from secondlook.domain.weeks import week_of
from secondlook.providers.openai.client import build_request
from secondlook.settings import load_settings
from secondlook.tasks.snapshot import prompt
from secondlook.tasks.snapshot.schema import answer_schema
from tests.examples import bucket_row, echo, example_input, example_plan, many_weeks, weeks
from tests.strategies import agent_inputs, bucket_rows


def test_the_layout() -> None:
    """The answer itself as compact JSON, byte by byte: identity pending, weeks in order, zeros included."""
    volume = weeks(("2025-W52", 7), ("2026-W02", 0), ("2026-W01", 28))
    assert prompt.lay_out(example_input(bucket_row(weekly_volume=volume))) == (
        '{"meta":{"snapshot_id":"pending","source_id":"pending","generated_at":"pending",'
        '"estimate_count":35,"confidence_level":"low"},'
        '"demand":{"weekly_volume":[{"week":"2025-W52","count":7},{"week":"2026-W01","count":28},'
        '{"week":"2026-W02","count":0}],'
        '"price_distribution":[{"band":"<500","count":10},{"band":"500-1500","count":25},'
        '{"band":"1500-5000","count":0},{"band":"5000+","count":0}]},'
        '"decision_latency":{"distribution":[{"band":"0-2d","count":20},{"band":"3-7d","count":15},'
        '{"band":"8-21d","count":0},{"band":"22+d","count":0}]}}'
    )


def test_two_messages() -> None:
    """The instructions, and the input."""
    system, user = prompt.messages(example_input())
    assert system == {"role": "system", "content": prompt.INSTRUCTIONS}
    assert user == {"role": "user", "content": prompt.lay_out(example_input())}


@given(bucket_rows(), st.randoms(use_true_random=False))
def test_equal_buckets_give_byte_identical_requests(row: dict[str, Any], random: Random) -> None:
    """The order of weeks and columns, and how JSON was written, leave no trace in the request."""
    shuffled = dict(random.sample(list(row.items()), len(row)))
    random.shuffle(shuffled["weekly_volume"])
    shuffled["weekly_volume"] = json.dumps(shuffled["weekly_volume"], indent=random.choice([None, 2]))
    settings = load_settings()
    requests = [json.dumps(build_request(example_input(each), settings)) for each in (row, shuffled)]
    assert requests[0].encode() == requests[1].encode()


@given(agent_inputs())
def test_the_prompt_says_all(agent_input: AgentInput) -> None:
    """Whoever reads the prompt alone can give the right answer: nothing is lost in its layout."""
    assert json.loads(prompt.lay_out(agent_input)) == echo(agent_input)


def test_no_identity_in_the_request() -> None:
    """Another source and another user with the same buckets send the very same bytes."""
    one = example_plan("11111111-0000-4000-8000-000000000001", "11111111-0000-4000-8000-000000000002")
    other = example_plan("22222222-0000-4000-8000-000000000001", "22222222-0000-4000-8000-000000000002")
    sent = json.dumps(one.request)
    assert sent == json.dumps(other.request)
    assert "11111111" not in sent
    assert set(one.request) == {"model", "messages", "response_format", "max_tokens", "temperature"}


def test_estimates_of_a_preview() -> None:
    """A preview's tokens are marked as estimated, add up, and grow with the weeks."""
    few, many = (
        prompt.estimate_usage(example_input(bucket_row(weekly_volume=many_weeks(number))))
        for number in (12, 60)
    )
    assert few.estimated
    assert few.total_tokens == (few.prompt_tokens or 0) + (few.completion_tokens or 0)
    assert (few.total_tokens or 0) < (many.total_tokens or 0)


def test_room_for_white_space() -> None:
    """More is kept free for an answer than its estimate, and more for long counts: 2,000 hold 160 weeks."""

    def reserved(number: int, count: int = 1) -> int:
        mondays = (date(2020, 1, 6) + timedelta(weeks=index) for index in range(number))
        volume = weeks(*((week_of(day), count) for day in mondays))
        return prompt.reserve_answer_tokens(example_input(bucket_row(weekly_volume=volume)))

    assert reserved(12) > prompt.estimate_answer_tokens(12)
    assert reserved(160) <= 2000 < reserved(161)
    assert reserved(12, 999) == reserved(12) < reserved(12, 1000) < reserved(12, 1_000_000)


def test_twelve_weeks_stay_within_the_budget() -> None:
    """The estimate for twelve weeks of one year is at most 950 tokens (bench/ measures it)."""
    volume = weeks(*((f"2026-W{number:02d}", 1) for number in range(1, 13)))
    assert (prompt.estimate_usage(example_input(bucket_row(weekly_volume=volume))).total_tokens or 0) <= 950


def test_the_question_is_what_is_sent() -> None:
    """Its messages, both schemas and the estimates are those of the prompt, for any provider."""
    given = example_input()
    asked = prompt.question(given)
    assert [message.model_dump() for message in asked.messages] == prompt.messages(given)
    assert asked.answer_schema == answer_schema()
    assert asked.fixed_schema == answer_schema(2)
    assert asked.usage == prompt.estimate_usage(given)
    assert asked.usage.total_tokens == asked.prompt_tokens + asked.answer_tokens
