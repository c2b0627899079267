"""Names: their order, how they are searched, and what stands where there is none."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondlook.domain.names import fold, shown_name, sort_key


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(("alpha", "Alpha", "beta", "Beta", "Zebra"), id="small letters before capitals"),
        pytest.param(("Emil", "émile", "Émile", "emu"), id="accents"),
        pytest.param(("Straßa", "Strasse", "Straße", "Strassf"), id="sharp s"),
        pytest.param(
            (" a", "_a", "-a", "$a", "1a", "\N{ARABIC-INDIC DIGIT TWO}a", "aa"), id="signs, digits, letters"
        ),
        pytest.param(("“a”", "1", "a", "Ωμέγα", "яблоко", "日本"), id="scripts"),
        pytest.param(("a", "a b", "ab"), id="a shorter one first"),
    ],
)
def test_order(names: tuple[str, ...]) -> None:
    """As a person would put them."""
    assert tuple(sorted(set(names), key=sort_key)) == names


@given(st.text())
def test_composed_or_not_it_is_the_same(text: str) -> None:
    """A text and its letters in parts are found by each other, and stand side by side."""
    composed, parts = unicodedata.normalize("NFC", text), unicodedata.normalize("NFD", text)
    assert fold(composed) == fold(parts)
    assert sort_key(composed).partition("\x01")[0] == sort_key(parts).partition("\x01")[0]


@pytest.mark.parametrize(
    "name", ["", " ", "\t\n", "\u200b", "\u3000", "\u2060\u200d", "\x00", "\ud800"], ids=ascii
)
def test_a_source_without_a_name_goes_by_its_id(name: str) -> None:
    """What cannot be seen is no name."""
    assert shown_name(name, "id") == "id"
    assert shown_name(f"{name}x", "id") == f"{name}x"
