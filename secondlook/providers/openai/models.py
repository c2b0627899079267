"""What OpenAI's model families differ in: how the limit is named, who takes a temperature, who ends when."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Literal

DEFAULT_TEMPERATURE = 0.1
NOTICE = timedelta(days=90)

SHUTDOWNS = {"gpt-4o": date(2027, 1, 14)}
"""Known shutdown dates by family."""

_REASONING = re.compile(r"gpt-([5-9]|[1-9][0-9])|o[1-9]")


def _bare(model: str) -> str:
    """The model's own name, without a gateway's prefix (`openai/`) or a fine-tune's (`ft:`)."""
    return model.rsplit("/", 1)[-1].removeprefix("ft:").lower()


def token_parameter(model: str) -> Literal["max_tokens", "max_completion_tokens"]:
    """How the limit of answer tokens is named: GPT-5 and later, and the o-series, use the newer name."""
    return "max_completion_tokens" if _REASONING.match(_bare(model)) else "max_tokens"


def takes_temperature(model: str) -> bool:
    """False for families that may refuse a temperature."""
    return not _REASONING.match(_bare(model))


def _end(model: str) -> date | None:
    return next((end for family, end in SHUTDOWNS.items() if _bare(model).startswith(family)), None)


def has_ended(model: str, today: date) -> bool:
    """True from a known shutdown on."""
    end = _end(model)
    return end is not None and today >= end


def shutdown_notice(model: str, today: date) -> str | None:
    """A sentence for the page and `check`, from 90 days before a known shutdown on; otherwise None."""
    end = _end(model)
    if end is None or today < end - NOTICE:
        return None
    verb = "was shut down" if has_ended(model, today) else "shuts down"
    return f"{model} {verb} on {end.isoformat()}: choose another model with SECONDLOOK_MODEL."
