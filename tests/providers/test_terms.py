"""What decides an answer's price besides its tokens: the tier that answered, the region, cache writes."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from pydantic import SecretStr

from secondlook.domain.answers import Completion
from secondlook.domain.usage import Terms, Usage
from secondlook.providers.openai import regions
from secondlook.providers.openai.protocol import Azure, ChatCompletions, Compatible, OpenAI
from secondlook.providers.prices import cost_usd
from secondlook.settings import load_settings
from secondlook.tasks.snapshot.prompt import question as question_of
from tests.examples import MODEL, completion, echo, example_input

USAGE = Usage(prompt_tokens=1000, completion_tokens=500)
LUNA = "gpt-6-luna"
EU = "https://eu.api.openai.com/v1"


def provider(kind: type[ChatCompletions] = OpenAI, **changes: object) -> ChatCompletions:
    """A provider with a key and these settings."""
    return kind(load_settings().model_copy(update={"openai_api_key": SecretStr("sk-x"), **changes}))


def read(**changes: object) -> Completion:
    """What the example's answer holds with other fields."""
    return OpenAI.read(json.dumps({**completion(echo()), **changes}))


@pytest.mark.parametrize(
    ("model", "tier", "cost"),
    [
        pytest.param(MODEL, None, "0.0075", id="nothing said"),
        pytest.param(MODEL, "default", "0.0075", id="the standard tier"),
        pytest.param(MODEL, "priority", "0.01275", id="priority"),
        pytest.param("gpt-5", "flex", "0.003125", id="flex"),
        pytest.param("gpt-5", None, "0.00625", id="gpt-5"),
        pytest.param("gpt-5", "priority", "0.0125", id="gpt-5, priority"),
        pytest.param(MODEL, "flex", None, id="a tier without a price for the model"),
        pytest.param(MODEL, "scale", None, id="scale: paid ahead"),
        pytest.param(MODEL, "auto", None, id="auto is no tier that answers"),
        pytest.param(MODEL, "Priority", None, id="another name"),
        pytest.param(MODEL, "unknown", None, id="unknown"),
        pytest.param(MODEL, "batch", None, id="batch"),
    ],
)
def test_the_tier_that_answered_decides_the_price(model: str, tier: str | None, cost: str | None) -> None:
    """Unknown where the list has no price of it."""
    found = cost_usd(USAGE, model, "openai", Terms(service_tier=tier))
    assert found == (None if cost is None else Decimal(cost))


@pytest.mark.parametrize(
    ("tier", "cached", "cost"),
    [
        pytest.param("priority", 400, "0.0119", id="priority has a cached price"),
        pytest.param(None, 400, "0.007", id="so has the standard tier"),
    ],
)
def test_cached_tokens_have_the_tiers_price(tier: str | None, cached: int, cost: str) -> None:
    """Never the standard one's."""
    usage = USAGE.model_copy(update={"cached_tokens": cached})
    assert cost_usd(usage, MODEL, "openai", Terms(service_tier=tier)) == Decimal(cost)


def test_another_list_knows_no_price_of_a_tier() -> None:
    """Azure falls back to OpenAI's prices, and not to those of its tiers; Groq's standard tier has a name."""
    assert cost_usd(USAGE, MODEL, "azure") == Decimal("0.0075")
    assert cost_usd(USAGE, MODEL, "azure", Terms(service_tier="priority")) is None
    llama = "llama-3.3-70b-versatile"
    standard = cost_usd(USAGE, llama, "groq")
    assert standard is not None
    assert cost_usd(USAGE, llama, "groq", Terms(service_tier="on_demand")) == standard
    assert cost_usd(USAGE, llama, "groq", Terms(service_tier="performance")) is None


@pytest.mark.parametrize(
    ("model", "written", "cost"),
    [
        pytest.param(LUNA, 0, "0.00035", id="nothing written"),
        pytest.param(LUNA, 1000, "0.000375", id="all of it written"),
        pytest.param(LUNA, 400, "0.00036", id="in part"),
        pytest.param(LUNA, 1001, None, id="more than the prompt"),
        pytest.param(MODEL, 1, None, id="a model without a price of it"),
    ],
)
def test_cache_writes_have_a_price_of_their_own(model: str, written: int, cost: str | None) -> None:
    """1.25 times the input's at gpt-6-luna."""
    found = cost_usd(USAGE, model, "openai", Terms(cache_write_tokens=written))
    assert found == (None if cost is None else Decimal(cost))


@pytest.mark.parametrize(
    ("address", "model", "factor"),
    [
        pytest.param("https://api.openai.com/v1", "gpt-5.4", "1", id="global"),
        pytest.param(EU, "gpt-5.4", "1.1", id="eu, gpt-5.4"),
        pytest.param("https://us.api.openai.com/v1", "gpt-5.4-mini-2026-03-17", "1.1", id="us"),
        pytest.param("https://EU.API.OpenAI.com:443/v1", LUNA, "1.1", id="in other letters"),
        pytest.param("https://eu.api.openai.com./v1", LUNA, "1.1", id="with a dot"),
        pytest.param(EU, "openai/gpt-6-luna", "1.1", id="a prefix"),
        pytest.param(EU, "gpt-5.3", "1", id="before"),
        pytest.param(EU, "gpt-5", "1", id="gpt-5"),
        pytest.param(EU, "gpt-5-2025-08-07", "1", id="gpt-5, dated"),
        pytest.param(EU, MODEL, "1", id="gpt-4o"),
        pytest.param(EU, "o3", "1", id="o3"),
        pytest.param(EU, "sora", None, id="a model of which nothing is known"),
        pytest.param("https://mars.api.openai.com/v1", LUNA, None, id="a region of which nothing is known"),
        pytest.param("https://eu.api.openai.com.example/v1", LUNA, "1", id="another server"),
        pytest.param("http://localhost:8000/v1", LUNA, "1", id="a gateway"),
    ],
)
def test_a_regional_address_adds_to_the_price(address: str, model: str, factor: str | None) -> None:
    """10 % from gpt-5.4 on; unknown where nothing is known."""
    assert regions.factor(address, model) == (None if factor is None else Decimal(factor))


def test_a_region_counts_in_cost_and_ceiling() -> None:
    """In both by the same factor."""
    here, there = provider(model=LUNA), provider(model=LUNA, openai_base_url=EU)
    assert there.cost_usd(USAGE, LUNA) == Decimal("0.000385")
    request = {"model": LUNA, "max_completion_tokens": 2000}
    ceiling = here.ceiling(request, 1000)
    assert ceiling is not None
    assert there.ceiling(request, 1000) == ceiling * Decimal("1.1")


@pytest.mark.parametrize("model", [MODEL, "gpt-5", "gpt-5.4", LUNA])
@pytest.mark.parametrize("asked", [None, "auto", "default", "flex", "priority"])
def test_no_answer_costs_more_than_the_ceiling(model: str, asked: str | None) -> None:
    """Whatever tier answers of those that may, and whatever is written to a cache or read from it."""
    agent = provider(model=model)
    request: dict[str, object] = {"model": model, "max_tokens": 500}
    if asked is not None:
        request["service_tier"] = asked
    ceiling = agent.ceiling(request, 1000)
    if model == MODEL and asked == "flex":
        assert ceiling is None  # no price is known of what was asked for
        return
    assert ceiling is not None
    answering = {None: ("default", "flex", "priority"), "auto": ("default", "flex", "priority")}
    for tier in answering.get(asked, ("default", asked or "")):
        for cached, written in ((0, 0), (400, 0), (0, 1000), (400, 600)):
            usage = USAGE.model_copy(update={"cached_tokens": cached})
            terms = Terms(service_tier=tier, cache_write_tokens=written)
            cost = agent.cost_usd(usage, model, terms)
            assert cost is None or cost <= ceiling


@pytest.mark.parametrize("tier", ["auto", "default", "flex", "priority"])
def test_the_requests_tier_is_a_setting(monkeypatch: pytest.MonkeyPatch, tier: str) -> None:
    """Sent only where it is set, and only by a provider that knows it."""
    question = question_of(example_input())
    assert "service_tier" not in provider().build_request(question)
    monkeypatch.setenv("SECONDLOOK_SERVICE_TIER", tier)
    assert provider().build_request(question)["service_tier"] == tier
    for kind in (Azure, Compatible):
        assert "service_tier" not in provider(kind).build_request(question)


@pytest.mark.parametrize(
    ("tier", "model", "cost"),
    [
        pytest.param(None, MODEL, "0.0075", id="none"),
        pytest.param("auto", MODEL, "0.0075", id="auto"),
        pytest.param("priority", MODEL, "0.01275", id="priority"),
        pytest.param("flex", "gpt-5", "0.003125", id="flex"),
        pytest.param("flex", MODEL, None, id="no price"),
    ],
)
def test_the_forecast_has_the_tiers_price(tier: str | None, model: str, cost: str | None) -> None:
    """What is asked for is what is forecast."""
    found = provider(model=model, service_tier=tier).forecast_usd(USAGE, model)
    assert found == (None if cost is None else Decimal(cost))


USED = {"prompt_tokens": 400, "completion_tokens": 150, "total_tokens": 550}


@pytest.mark.parametrize(
    ("usage", "why"),
    [
        pytest.param({**USED, "prompt_tokens": 0, "total_tokens": 150}, "0 tokens", id="no prompt"),
        pytest.param(
            {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, "0 tokens", id="nothing"
        ),
        pytest.param({**USED, "completion_tokens": 0, "total_tokens": 400}, "0 completion", id="no answer"),
        pytest.param({**USED, "completion_tokens": 1, "total_tokens": 401}, "1 completion", id="one token"),
        pytest.param({**USED, "prompt_tokens_details": {"cached_tokens": 401}}, "more cached", id="cached"),
        pytest.param(
            {**USED, "prompt_tokens_details": {"cached_tokens": 300, "cache_write_tokens": 101}},
            "more cached",
            id="cached and written",
        ),
        pytest.param(
            {**USED, "completion_tokens_details": {"reasoning_tokens": 151}}, "more reasoning", id="reasoning"
        ),
        pytest.param({**USED, "total_tokens": 0}, "not the sum", id="no total"),
        pytest.param({**USED, "total_tokens": 999}, "not the sum", id="another total"),
        pytest.param({**USED, "prompt_tokens": -400}, "no count", id="negative"),
        pytest.param({**USED, "prompt_tokens": 400.0}, "no count", id="a float"),
        pytest.param({**USED, "completion_tokens": True}, "no count", id="true"),
        pytest.param({**USED, "completion_tokens": "150"}, "no count", id="a text"),
        pytest.param({**USED, "prompt_tokens": 10**30}, "no count", id="huge"),
        pytest.param({}, "no count", id="empty"),
        pytest.param(None, "no usage", id="null"),
        pytest.param([], "no usage", id="a list"),
    ],
)
def test_a_usage_that_cannot_be_is_unknown(usage: object, why: str) -> None:
    """It is never $0, and says why."""
    found = read(usage=usage)
    assert found.text is not None
    assert found.problem is None
    assert None in {found.usage.prompt_tokens, found.usage.completion_tokens}
    assert why in (found.usage_problem or "")
    assert provider().cost_usd(found.usage, MODEL, found.terms) is None


@pytest.mark.parametrize(
    "usage",
    [
        pytest.param(USED, id="three counts"),
        pytest.param({"prompt_tokens": 400, "completion_tokens": 150}, id="no total"),
        pytest.param({**USED, "prompt_tokens_details": {"cached_tokens": 400}}, id="all cached"),
        pytest.param({**USED, "prompt_tokens_details": None}, id="no details"),
        pytest.param({**USED, "completion_tokens_details": {"reasoning_tokens": 150}}, id="all reasoning"),
    ],
)
def test_a_usage_that_can_be_is_kept(usage: object) -> None:
    """As it was told."""
    found = read(usage=usage)
    assert (found.usage.prompt_tokens, found.usage_problem) == (400, None)


@pytest.mark.parametrize(
    ("told", "tier"),
    [
        pytest.param(None, None, id="null"),
        pytest.param("default", "default", id="default"),
        pytest.param("priority", "priority", id="priority"),
        pytest.param(5, "unknown", id="a number"),
        pytest.param("two words", "unknown", id="no name"),
        pytest.param("", "unknown", id="empty"),
    ],
)
def test_the_tier_is_read(told: object, tier: str | None) -> None:
    """What is no tier's name is unknown, not the standard one."""
    assert read(service_tier=told).terms.service_tier == tier
