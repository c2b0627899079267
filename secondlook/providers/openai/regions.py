"""What OpenAI's regional addresses add to its prices, by the table beside this module."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from functools import lru_cache
from importlib import resources
from urllib.parse import urlsplit

from secondlook.domain.base import Frozen
from secondlook.providers.openai.models import bare

_GLOBAL = "api.openai.com"
_VERSION = re.compile(r"gpt-(\d{1,3})(?:\.(\d{1,3}))?(?![0-9])")
_OLDER = re.compile(r"o[1-9](?![0-9])|chatgpt-4o")


class RegionTable(Frozen):
    """The surcharge, and when and where it was read.

    Attributes:
        hosts: The regional addresses it is known for.
        since: The first model, as major and minor version, that it is taken for.
        factor: What the list price is multiplied by.
    """

    read_on: date
    read_at: tuple[str, ...]
    hosts: tuple[str, ...]
    since: tuple[int, int]
    factor: Decimal


@lru_cache(maxsize=1)
def table() -> RegionTable:
    """The table beside this module."""
    text = resources.files("secondlook.providers.openai").joinpath("regions.json").read_text(encoding="utf-8")
    return RegionTable.model_validate_json(text)


def factor(address: str, model: str) -> Decimal | None:
    """What a model's list price is multiplied by at an address; None where that is unknown.

    Args:
        address: The server's address; one that is not OpenAI's adds nothing.
        model: The model that answered.
    """
    host = (urlsplit(address).hostname or "").rstrip(".")
    if not host.endswith(f".{_GLOBAL}"):
        return Decimal(1)
    if host not in table().hosts:
        return None
    name = bare(model)
    version = _VERSION.match(name)
    if version is None:
        return Decimal(1) if _OLDER.match(name) else None
    newer = (int(version[1]), int(version[2] or 0)) >= table().since
    return table().factor if newer else Decimal(1)
