"""Usage → cost, by the prices that genai-prices carries (offline data)."""

from __future__ import annotations

from decimal import Decimal

from secondlook.models import Usage


def cost_usd(usage: Usage, model: str) -> Decimal | None:
    """What an answer costs at OpenAI's list price.

    Args:
        usage: Its tokens; an answer that does not tell its cached tokens is priced as if none were.
        model: The model that answered.

    Returns:
        US dollars, or None where the tokens or the model's price are unknown: never 0 for unknown.
    """
    if usage.prompt_tokens is None or usage.completion_tokens is None:
        return None
    from genai_prices import Usage as Tokens
    from genai_prices import calc_price

    tokens = Tokens(
        input_tokens=usage.prompt_tokens,
        cache_read_tokens=min(usage.cached_tokens or 0, usage.prompt_tokens),
        output_tokens=usage.completion_tokens,
    )
    try:
        return calc_price(tokens, model_ref=model, provider_id="openai").total_price
    except (LookupError, ValueError):
        return None
