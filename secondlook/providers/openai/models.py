"""OpenAI's model families and their differences, from the table beside this module."""

from __future__ import annotations

import re
from datetime import date, timedelta
from functools import lru_cache
from importlib import resources
from typing import Literal

from secondlook.domain.base import Frozen

DEFAULT_TEMPERATURE = 0.1
NOTICE = timedelta(days=90)

ROOM = {
    "none": 0,
    "minimal": 2_000,
    "low": 4_000,
    "medium": 16_000,
    "high": 32_000,
    "xhigh": 64_000,
    "max": 120_000,
}
"""Tokens that the limit of a request leaves for reasoning, by its effort."""

# Families that the table does not list: named as the ones that reason.
_REASONS = re.compile(r"gpt-([5-9]|[1-9][0-9])|o[1-9]")


class Family(Frozen):
    """One family of models.

    Attributes:
        name: What its models' names begin with.
        context: Tokens of a prompt and its answer together; None where unknown.
        max_output: Tokens of an answer, reasoning included; None where unknown.
        reasoning: The efforts that it takes, the least one first; empty where it takes none.
        json_schema: Whether it holds answers to a strict JSON schema.
        shutdown: The first day on which OpenAI does not serve it any more; None where none is announced.
        replacement: The model that OpenAI names in its place.
        reasons: Whether it reasons before it answers: then it may refuse a temperature, and its limit of
            tokens has another name.
    """

    name: str
    context: int | None = None
    max_output: int | None = None
    reasoning: tuple[str, ...] = ()
    json_schema: bool | None = True
    shutdown: date | None = None
    replacement: str | None = None
    reasons: bool = False

    @property
    def token_parameter(self) -> Literal["max_tokens", "max_completion_tokens"]:
        """How the limit of an answer's tokens is named in the request."""
        return "max_completion_tokens" if self.reasons else "max_tokens"

    @property
    def temperature(self) -> float | None:
        """The temperature that is sent; None for families that may refuse one."""
        return None if self.reasons else DEFAULT_TEMPERATURE


class ModelTable(Frozen):
    """The families, and when and where they were read."""

    read_on: date
    read_at: tuple[str, ...]
    families: tuple[Family, ...]


@lru_cache(maxsize=1)
def table() -> ModelTable:
    """The table beside this module."""
    text = resources.files("secondlook.providers.openai").joinpath("models.json").read_text(encoding="utf-8")
    read = ModelTable.model_validate_json(text)
    families = (
        family.model_copy(update={"reasons": bool(_REASONS.match(family.name))}) for family in read.families
    )
    return read.model_copy(update={"families": tuple(families)})


def bare(model: str) -> str:
    """The base model's own name, without a gateway's prefix (`openai/`) or what a fine-tune adds (`ft:`)."""
    name = model.rsplit("/", 1)[-1].lower()
    return name.split(":")[1] if name.startswith("ft:") else name


@lru_cache(maxsize=256)
def find_family(model: str) -> Family | None:
    """The family of a model, dated, fine-tuned or prefixed; None where it is unknown."""
    name = bare(model)
    found = [family for family in table().families if _begins(name, family.name)]
    if found:
        return max(found, key=lambda family: len(family.name))
    return Family(name=name, json_schema=None, reasons=True) if _REASONS.match(name) else None


@lru_cache(maxsize=256)
def find_named_family(deployment: str) -> Family | None:
    """The family whose name a deployment's name holds (`prod-gpt-4o-eu`); None where it holds none."""
    parts = re.split(r"(?<![a-z0-9.])(?=gpt-|o[1-9])", deployment.lower())
    return next((family for part in parts if (family := find_family(part)) is not None), None)


def _begins(name: str, family: str) -> bool:
    return name.startswith(family) and not re.match(r"[a-z0-9.]", name[len(family) :])
