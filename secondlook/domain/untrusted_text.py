"""Text that people or other programs wrote, made safe to show on pages, in terminals and in files."""

from __future__ import annotations

import re

_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, line separators, bidirectional overrides and surrogates: they move a cursor, break a
line, reorder what follows, or cannot be encoded. Everything else is somebody's spelling and stays."""

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def clean(text: str, *, keep: str = "") -> str:
    """Return the text with each unsafe character, but those to keep, replaced by U+FFFD."""
    return _UNSAFE.sub(lambda found: found[0] if found[0] in keep else _REPLACEMENT, text)


def one_line(text: str, limit: int = 80) -> str:
    """Return the text cleaned, in one line of at most `limit` characters; an ellipsis marks what was cut."""
    cleaned = clean(text)
    return cleaned if len(cleaned) <= limit else cleaned[: limit - 1] + "…"


def spell_out(text: str) -> str:
    """Return the text with each unsafe character written as its code point; line breaks and tabs stay."""

    def spell(found: re.Match[str]) -> str:
        return found[0] if found[0] in "\n\t" else f"\\u{{{ord(found[0]):x}}}"

    return _UNSAFE.sub(spell, text.replace("\r\n", "\n"))
