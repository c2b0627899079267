"""Cost is list price or unknown, never 0 for unknown."""

from __future__ import annotations

from decimal import Decimal

import pytest

from secondlook.domain.usage import Usage
from secondlook.providers.prices import cost_usd
from tests.examples import MODEL


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        pytest.param(
            Usage(prompt_tokens=1000, completion_tokens=200, total_tokens=1200),
            "0.0045",
            id="nothing said of the cache",
        ),
        pytest.param(
            Usage(prompt_tokens=1000, completion_tokens=200, cached_tokens=0), "0.0045", id="not cached"
        ),
        pytest.param(
            Usage(prompt_tokens=1000, completion_tokens=200, cached_tokens=400), "0.004", id="in part"
        ),
        pytest.param(Usage(prompt_tokens=1000, completion_tokens=0, cached_tokens=1000), "0.00125", id="all"),
        pytest.param(
            Usage(prompt_tokens=1, completion_tokens=0, cached_tokens=1), "0.00000125", id="one token"
        ),
    ],
)
def test_the_default_models_price(usage: Usage, cost: str) -> None:
    """gpt-4o-2024-08-06: $2.50 a million, cached $1.25, answers $10."""
    assert cost_usd(usage, MODEL, "openai") == Decimal(cost)


@pytest.mark.parametrize(
    "usage",
    [
        pytest.param(Usage(), id="nothing known"),
        pytest.param(Usage(prompt_tokens=10), id="no completion"),
        pytest.param(Usage(completion_tokens=10), id="no prompt"),
        pytest.param(Usage(total_tokens=10), id="total alone"),
        pytest.param(Usage(prompt_tokens=10, completion_tokens=10, cached_tokens=11), id="more cached"),
    ],
)
def test_unknown_usage_has_no_cost(usage: Usage) -> None:
    """What is not known cannot be priced."""
    assert cost_usd(usage, MODEL, "openai") is None


@pytest.mark.parametrize("model", ["no-such-model", "llama-3.3-70b", "", "\ud800"], ids=repr)
def test_an_unknown_model_has_no_cost(model: str) -> None:
    """A model without a known price costs an unknown amount, not $0."""
    assert cost_usd(Usage(prompt_tokens=10, completion_tokens=10), model, "openai") is None
