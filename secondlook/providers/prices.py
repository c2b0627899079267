"""Usage → cost, by the prices in genai-prices (offline data)."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache

from secondlook.domain.usage import Usage


def cost_usd(usage: Usage, model: str, price_list: str) -> Decimal | None:
    """What an answer costs at list price.

    Args:
        usage: Its tokens; an answer that does not report cached tokens is priced as if none were cached.
            Reasoning tokens are part of the completion's and are priced as such.
        model: The model that answered.
        price_list: The id of the provider's price list.

    Returns:
        US dollars, or None where the tokens or the model's price are unknown: never 0 for unknown.
    """
    if usage.prompt_tokens is None or usage.completion_tokens is None:
        return None
    cached = min(usage.cached_tokens or 0, usage.prompt_tokens)
    day = datetime.now(UTC).date()
    return _price(price_list, model, day, usage.prompt_tokens, cached, usage.completion_tokens)


@lru_cache(maxsize=64)
def find_price_list(address: str) -> str | None:
    """The id of the price list of the provider at an address; None where none is known."""
    from genai_prices.data_snapshot import get_snapshot

    try:
        return get_snapshot().find_provider(None, None, address).id
    except LookupError:
        return None


@lru_cache(maxsize=4096)
def _price(
    price_list: str, model: str, _day: date, prompt: int, cached: int, completion: int
) -> Decimal | None:
    """The price for a day, cached, because a batch asks for the same price many times."""
    from genai_prices import Usage as Tokens
    from genai_prices import calc_price

    tokens = Tokens(input_tokens=prompt, cache_read_tokens=cached, output_tokens=completion)
    try:
        return calc_price(tokens, model_ref=model, provider_id=price_list).total_price
    except (LookupError, ValueError):
        return None
