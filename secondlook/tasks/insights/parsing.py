"""A sentence of an answer, taken apart: placeholders, words and marks; and its parts, each about one fact.

Nothing of a text is ever formatted by the language's own formatter: placeholders are found here alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeAlias

from secondlook.tasks.insights.vocabulary import SENSES, Role, Sense, match


@dataclass(frozen=True)
class Slot:
    """A placeholder: a value of a fact."""

    fact: str
    name: str


@dataclass(frozen=True)
class Term:
    """A word or phrase outside of placeholders, without its capital; no sense where it is not known."""

    text: str
    senses: tuple[Sense, ...]

    def has(self, role: Role) -> bool:
        """Whether a sense has this role."""
        return any(sense.role == role for sense in self.senses)

    def only(self, *roles: Role) -> bool:
        """Whether every sense has one of these roles."""
        return all(sense.role in roles for sense in self.senses)


@dataclass(frozen=True)
class Mark:
    """A punctuation mark."""

    text: str


Token: TypeAlias = Slot | Term | Mark
Item: TypeAlias = Slot | Term

_TOKEN = re.compile(
    r"\{(?P<fact>[a-z_]+)\.(?P<name>[a-z_]+)\}"
    r"|(?P<word>[A-Za-z]+(?:[-'][A-Za-z]+)*)|(?P<mark>[,;:().])|(?P<space> )"
)


def scan(text: str) -> list[Token | str] | None:
    """The tokens of a text, words as they are written; None where it holds anything else.

    Words and placeholders are apart: a space, a mark, or both stand between two of them.
    """
    found: list[Token | str] = []
    place, gap = 0, True
    while place < len(text):
        token = _TOKEN.match(text, place)
        if token is None:
            return None
        place = token.end()
        if token["space"] is not None:
            gap = True
            continue
        if token["mark"] is not None:
            found.append(Mark(token["mark"]))
            gap = True
            continue
        if not gap:
            return None
        gap = False
        found.append(token["word"] if token["word"] is not None else Slot(token["fact"], token["name"]))
    return found


def find_terms(scanned: Sequence[Token | str]) -> list[Token]:
    """The tokens with their words as terms, the longest phrases first; an unknown word has no sense."""
    found: list[Token] = []
    place = 0
    while place < len(scanned):
        token = scanned[place]
        if not isinstance(token, str):
            found.append(token)
            place += 1
            continue
        end = place
        while end < len(scanned) and isinstance(scanned[end], str):
            end += 1
        words = [str(word) for word in scanned[place:end]]
        if place == 0:
            words[0] = words[0][0].lower() + words[0][1:]
        phrase, length = next(match(words), (words[0], 1))
        found.append(Term(phrase, SENSES.get(phrase, ())))
        place += length
    return found


# -- parts ----------------------------------------------------------------------------------------------

_BREAKS = frozenset(
    {"and", "while", "whereas", "but", "although", "though", "when", "where", "then", "or", "with"}
)
_LISTS = frozenset({"and", "or"})


@dataclass
class Part:
    """A part of a sentence: what stands between two marks or conjunctions. It is about one fact.

    Attributes:
        opened: The mark or conjunction before it; empty at the beginning.
        items: Its words and placeholders.
        of_sentence: The placeholders of the whole sentence, as pairs of fact and name.
        values_before: Those of the part before it.
    """

    opened: str
    items: list[Item] = field(default_factory=list[Item])
    of_sentence: frozenset[tuple[str, str]] = frozenset()
    values_before: frozenset[tuple[str, str]] = frozenset()

    @property
    def slots(self) -> list[Slot]:
        """Its placeholders."""
        return [item for item in self.items if isinstance(item, Slot)]

    @property
    def values(self) -> frozenset[tuple[str, str]]:
        """Its placeholders, as pairs of fact and name."""
        return frozenset((slot.fact, slot.name) for slot in self.slots)

    @property
    def terms(self) -> list[Term]:
        """Its words."""
        return [item for item in self.items if isinstance(item, Term)]

    @property
    def has_verb(self) -> bool:
        """Whether it has a verb; a word that can be a noun is one only behind its subject."""
        return any(is_verb(self.items, place) for place in range(len(self.items)))


def is_verb(items: Sequence[Item], place: int) -> bool:
    """Whether the word at a place is a verb."""
    term = items[place]
    if not isinstance(term, Term) or not term.has("verb"):
        return False
    if term.only("verb"):
        return True
    before = items[place - 1] if place else None
    return isinstance(before, Slot) or (before is not None and before.has("noun"))


def parts_of(tokens: Sequence[Token]) -> list[Part]:
    """The parts of a sentence; a list of nouns ("price and volume") is no two parts."""
    slots = frozenset((token.fact, token.name) for token in tokens if isinstance(token, Slot))
    parts = [Part("", of_sentence=slots)]
    for token in tokens:
        if isinstance(token, Slot) or (isinstance(token, Term) and token.text not in _BREAKS):
            parts[-1].items.append(token)
        elif parts[-1].items:
            parts.append(Part(token.text, of_sentence=slots))
        elif parts[-1].opened not in _BREAKS:
            parts[-1].opened = token.text
    joined = list(_joined([part for part in parts if part.items]))
    for before, part in pairwise(joined):
        part.values_before = before.values
    return joined


def _joined(parts: list[Part]) -> Iterator[Part]:
    kept: Part | None = None
    for part in parts:
        if kept is not None and part.opened in _LISTS and not (_says(kept) and _says(part)):
            kept.items.extend(part.items)
            continue
        if kept is not None:
            yield kept
        kept = part
    if kept is not None:
        yield kept


def _says(part: Part) -> bool:
    return part.has_verb or bool(part.slots)
