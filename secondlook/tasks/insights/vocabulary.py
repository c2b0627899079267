"""The words that a sentence may use, read from vocabulary.json by the prompt and by the rules.

Each entry lists a word or phrase with its inflections. A group says which facts its words are about, and what
they claim (`predicates`). One word may be in several groups: it then has several senses.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

Role: TypeAlias = Literal["noun", "verb", "adjective", "adverb", "link", "determiner", "pronoun"]
ROLES: tuple[Role, ...] = get_args(Role)


@dataclass(frozen=True)
class Sense:
    """One meaning of a word or phrase.

    Attributes:
        group: The name of its group.
        facts: The facts that it can be about; None is any.
        claim: The predicate that must hold of the fact; None claims nothing.
    """

    group: str
    facts: frozenset[str] | None
    claim: str | None
    role: Role


@dataclass(frozen=True)
class Group:
    """Words with one meaning, as the prompt lists them.

    Attributes:
        entries: Each word or phrase, followed by its inflections.
    """

    name: str
    facts: tuple[str, ...]
    claim: str | None
    entries: tuple[tuple[str, ...], ...]


def _read() -> tuple[tuple[Group, ...], Mapping[str, tuple[Sense, ...]]]:
    read: list[dict[str, Any]] = json.loads(Path(__file__).with_name("vocabulary.json").read_text("utf-8"))
    groups: list[Group] = []
    senses: dict[str, tuple[Sense, ...]] = {}
    for each in read:
        name, claim, facts = each["group"], each.get("if"), tuple(each.get("for", ()))
        about = frozenset(facts) or None
        entries: list[tuple[Role, tuple[str, ...]]] = [
            (role, tuple(entry.split(", "))) for role in ROLES for entry in each.get(role, ())
        ]
        groups.append(Group(name, facts, claim, tuple(forms for _, forms in entries)))
        for role, forms in entries:
            for form in forms:
                senses[form] = (*senses.get(form, ()), Sense(name, about, claim, role))
    return tuple(groups), senses


GROUPS, SENSES = _read()
"""The groups in their order; and every word and phrase with its senses."""

_LONGEST = max(len(phrase.split()) for phrase in SENSES)


def match(words: list[str]) -> Iterator[tuple[str, int]]:
    """The words and phrases at the beginning of a text, each with its number of words; the longest first."""
    for length in range(min(_LONGEST, len(words)), 0, -1):
        phrase = " ".join(words[:length])
        if phrase in SENSES:
            yield phrase, length
