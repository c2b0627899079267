"""What people wrote is shown as they wrote it; only characters that mislead are replaced."""

from __future__ import annotations

import pytest

from secondlook.dashboard.parts.problems import escape
from secondlook.domain.buckets import BandCount
from secondlook.domain.untrusted_text import clean, one_line, spell_out
from secondlook.views.drawing import draw_bands
from secondlook.views.export import neutralise

KEPT = [
    pytest.param("Dach\u00a0und\u202fFach", id="no-break and narrow spaces"),
    pytest.param("東京\u3000塗装", id="ideographic space"),
    pytest.param("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", id="zero-width non-joiner"),
    pytest.param("👨\u200d👩\u200d👧", id="zero-width joiner of a family"),
    pytest.param("Rohr\u00adleitung", id="soft hyphen"),
    pytest.param("\U0001fae9\U0001fac8", id="emoji newer than this Python's Unicode"),
    pytest.param("\u200eabc\u200f", id="direction marks that reorder nothing else"),
    pytest.param("e\u0301\ufe0f", id="combining marks and variation selectors"),
    pytest.param("\ue000\U000e0067", id="private use and tags"),
]
CONTROLS = (0x00, 0x07, 0x09, 0x0A, 0x0D, 0x1B, 0x1F, 0x7F, 0x80, 0x85, 0x9F)
LINE_SEPARATORS = (0x2028, 0x2029)
BIDI_OVERRIDES = (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
SURROGATES = (0xD800, 0xDBFF, 0xDC00, 0xDFFF)
REPLACED = [
    pytest.param(chr(code), id=f"U+{code:04X}")
    for code in (*CONTROLS, *LINE_SEPARATORS, *BIDI_OVERRIDES, *SURROGATES)
]


@pytest.mark.parametrize("text", KEPT)
def test_what_people_write_stays(text: str) -> None:
    """Spaces, joiners, hyphens and emoji are somebody's spelling, on every way out."""
    assert clean(text) == one_line(text) == spell_out(text) == neutralise(text) == text
    assert text in escape(f"a{text}b")
    assert text in draw_bands("Price bands", [BandCount(band=text, count=1)])


@pytest.mark.parametrize("character", REPLACED)
def test_what_misleads_is_replaced(character: str) -> None:
    """One character each becomes U+FFFD, or its code point where text is shown for inspection."""
    assert clean(f"a{character}b") == one_line(f"a{character}b") == "a\ufffdb"
    assert escape(f"a{character}b") == "a\ufffdb"
    assert character not in draw_bands("Price bands", [BandCount(band=character, count=1)])
    shown = character if character in "\n\t" else f"\\u{{{ord(character):x}}}"
    assert spell_out(f"a{character}b") == f"a{shown}b"


def test_long_text_is_cut_with_an_ellipsis() -> None:
    """A line is never longer than its limit."""
    assert one_line("x" * 81) == "x" * 79 + "…"
    assert one_line("x" * 80) == "x" * 80
