"""What of a server's message can be shown: no key, nothing of the prompt, one line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_KEY = re.compile(r"\b[rs]k-[\w*.-]*[\w*]")
_LONGEST = 300

_PIECE = 12
"""This many consecutive letters and digits of the prompt count as a quote of it."""

_KEY_PIECE = 6
"""This many consecutive characters of the key count as a piece of it."""


def shown_message(message: str, key: str = "") -> str:
    """A message in one line of printable characters, without keys, not too long.

    Args:
        message: As the server wrote it.
        key: The key that was sent, of which no piece may be shown.
    """
    message = _without(_KEY.sub("[key]", message), key)
    return "".join(c if c.isprintable() else " " for c in message)[:_LONGEST]


def repeats(message: str, request: Mapping[str, object]) -> bool:
    """True where a server quotes the prompt in its error: a line of it, or a part with counts in it.

    A part may be cut, escaped or reformatted. The schema's names may be quoted: they are no content.
    """
    sent: Any = request["messages"]
    texts: list[str] = [entry["content"] for entry in sent]
    lines = (line for text in texts for line in text.splitlines() if ":" in line or " " in line)
    return any(line in message for line in lines) or any(
        piece in reduce(message)
        for reduce in (_letters, _counts)
        for piece in _pieces([reduce(text) for text in texts])
    )


def _pieces(texts: Iterable[str]) -> Iterator[str]:
    pieces = (text[i : i + _PIECE] for text in texts for i in range(len(text) - _PIECE + 1))
    return (piece for piece in pieces if not piece.isalpha())


def _letters(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def _counts(text: str) -> str:
    """The digits of a text's short numbers: a quote may have left out names and years."""
    return re.sub(r"[0-9]{4,}|[^0-9]", "", text)


def _without(message: str, key: str) -> str:
    """A message without the key or any piece of it."""
    size = min(_KEY_PIECE, len(key))
    if size == 0:
        return message
    for start in range(len(key) - size + 1):
        message = message.replace(key[start : start + size], "[key]")
    return re.sub(r"(\[key\])+", "[key]", message)
