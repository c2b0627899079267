"""JSON as the standard has it: no key twice in one object, no NaN, no Infinity."""

from __future__ import annotations

import json
from typing import NoReturn


class DuplicateKey(ValueError):
    """An object has a key twice: programs disagree on which of the two counts."""


def read_json(text: str) -> object:
    """The value of a JSON text.

    Raises:
        DuplicateKey: An object in it has a key twice.
        ValueError: It is not JSON, or too deeply nested to read.
    """
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("too deeply nested") from None


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise DuplicateKey
    return found


def _refuse(_name: str) -> NoReturn:
    raise ValueError("not a JSON number")
