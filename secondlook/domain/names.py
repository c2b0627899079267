"""Names of sources: how they are searched, put in order and shown where they are empty."""

from __future__ import annotations

import unicodedata

# The order of Unicode's collation (CLDR's root): white space, punctuation, symbols, digits, letters.
_ASCII = " _-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$"
_FIRST = 0x20  # greater than what parts the levels
_SIGN, _DIGIT, _LETTER = chr(0x50), 0x51, 0x60
_RANKS = {
    **{ord(sign): chr(_FIRST + rank) for rank, sign in enumerate(_ASCII)},
    **{ord("0") + digit: chr(_DIGIT + digit) for digit in range(10)},
    **{ord("a") + letter: chr(_LETTER + letter) for letter in range(26)},
}


def fold(text: str) -> str:
    """A text as searches compare it: without case, composed (NFC)."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def sort_key(text: str) -> str:
    """A text whose binary order is people's: letters before their accents, accents before case."""
    folded = text.casefold()
    if text.isascii():
        return f"{folded.translate(_RANKS)}\x01\x01{text.swapcase()}"
    whole = unicodedata.normalize("NFKD", folded)
    letters = "".join(_rank(each) for each in whole if not unicodedata.combining(each))
    return f"{letters}\x01{whole}\x01{unicodedata.normalize('NFC', text).swapcase()}"


def _rank(character: str) -> str:
    if character.isascii():
        return character.translate(_RANKS)
    if character.isdecimal():
        return chr(_DIGIT + unicodedata.decimal(character))
    return _SIGN + character if unicodedata.category(character)[0] in "ZPS" else character


def shown_name(name: str, identifier: str) -> str:
    """What to call a source: its name, or its id where it has none that can be seen."""
    return name if any(each.isprintable() and not each.isspace() for each in name) else identifier
