"""Usage → cost, by the prices in genai-prices (offline data)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING

from secondlook.domain.usage import Terms, Usage

if TYPE_CHECKING:
    from genai_prices.types import PriceCalculation

_STANDARD = Terms()


TIERS = ("flex", "priority")
"""The service tiers with prices of their own."""

_STANDARD_TIERS = {"default", "standard"}
_OWN_STANDARD_TIERS = {"groq": {"on_demand"}}
"""What providers call their standard tier, by their price list's id."""


def cost_usd(usage: Usage, model: str, price_list: str, terms: Terms = _STANDARD) -> Decimal | None:
    """What an answer costs at list price.

    Args:
        usage: Its tokens; an answer that does not report cached tokens is priced as if none were cached.
            Reasoning tokens are part of the completion's and are priced as such.
        model: The model that answered.
        price_list: The id of the provider's price list.
        terms: The tier that answered, and what was written to a cache.

    Returns:
        US dollars, or None where the tokens, the model's price or that of the terms are unknown: never 0 for
        unknown.
    """
    if usage.prompt_tokens is None or usage.completion_tokens is None:
        return None
    cached, written = usage.cached_tokens or 0, terms.cache_write_tokens or 0
    if cached + written > usage.prompt_tokens:
        return None
    tier = terms.service_tier
    if tier in _STANDARD_TIERS | _OWN_STANDARD_TIERS.get(price_list, set()):
        tier = None
    day = datetime.now(UTC).date()
    counts = (usage.prompt_tokens, cached, written, usage.completion_tokens)
    return _price(price_list, model, day, tier, counts)


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
    price_list: str, model: str, _day: date, tier: str | None, counts: tuple[int, int, int, int]
) -> Decimal | None:
    """The price for a day, cached, because a batch asks for the same price many times."""
    from genai_prices import Usage as Tokens
    from genai_prices import calc_price

    prompt, cached, written, completion = counts
    tokens = Tokens(
        input_tokens=prompt,
        cache_read_tokens=cached,
        **({"cache_write_tokens": written} if written else {}),
        output_tokens=completion,
    )
    context = None if tier is None else {"service_tier": tier}
    try:
        found = calc_price(tokens, model_ref=model, provider_id=price_list, price_context=context)
    except (LookupError, ValueError):
        return None
    if written and found.model_price.cache_write_mtok is None:
        return None
    if tier is not None and not _is_listed(found, price_list, tier, {"cached": cached, "written": written}):
        return None
    return found.total_price


def _is_listed(found: PriceCalculation, price_list: str, tier: str, used: Mapping[str, int]) -> bool:
    """Whether a list has a tier's price of everything that was used; others' lists know no price here."""
    from genai_prices.data_snapshot import get_snapshot

    if all(found.model is not each for each in get_snapshot().find_provider(None, price_list, None).models):
        return False
    now = datetime.now(UTC)
    for variant in found.model.price_variants or ():
        if variant.when == {"service_tier": tier} and (
            variant.constraint is None or variant.constraint.active(now)
        ):
            prices = variant.prices
            needed = [prices.input_mtok, prices.output_mtok]
            if used["cached"] and found.model_price.cache_read_mtok is not None:
                needed.append(prices.cache_read_mtok)
            if used["written"]:
                needed.append(prices.cache_write_mtok)
            return all(price is not None for price in needed)
    return False
