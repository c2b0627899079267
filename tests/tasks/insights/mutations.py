"""False sentences, made of true ones by one change."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from secondlook.tasks.insights.fact import Fact
from secondlook.tasks.insights.parsing import Part
from secondlook.tasks.insights.predicates import PREDICATES
from secondlook.tasks.insights.rules import refused_by
from secondlook.tasks.insights.vocabulary import SENSES
from tests.tasks.insights.situations import SITUATIONS

HERE = Path(__file__).parent
SLOT = re.compile(r"\{([a-z_]+)\.([a-z_]+)\}")


@dataclass(frozen=True)
class Case:
    """A sentence about a situation."""

    situation: str
    facts: tuple[str, ...]
    text: str

    @property
    def given(self) -> Mapping[str, Fact]:
        """The facts that were sent."""
        return SITUATIONS[self.situation]

    @property
    def rule(self) -> str | None:
        """The rule that refuses it."""
        return refused_by(self.text, self.facts, self.given)


def read_cases(name: str) -> list[Case]:
    """The sentences of a file: the situation, the facts that they cite, the text."""
    lines = (HERE / name).read_text("utf-8").splitlines()
    parts = [line.split("\t") for line in lines]
    return [Case(situation, tuple(facts.split(",")), text) for situation, facts, text in parts]


NUMBERS = [
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "dozen",
    "hundred",
    "twice",
    "double",
    "triple",
    "third",
    "quarter",
    "once",
    "zero",
    "none",
    "several",
    "couple",
]
NEGATIONS = [
    "not",
    "no",
    "never",
    "none",
    "nobody",
    "hardly",
    "barely",
    "neither",
    "nor",
    "without",
    "isn't",
    "aren't",
    "don't",
    "won't",
    "can't",
    "wasn't",
    "didn't",
    "non-recent",
]
CONTRACTIONS = ["it's", "there's", "that's", "they're", "we've", "let's", "here's", "who's"]
NOUNS = [
    "customers",
    "clients",
    "jobs",
    "sales",
    "revenue",
    "deals",
    "dollars",
    "money",
    "people",
    "orders",
    "projects",
    "invoices",
    "homeowners",
    "leads",
    "profit",
    "winners",
    "buyers",
    "crews",
    "markets",
    "months",
    "days",
    "years",
    "hours",
    "quarters",
    "euros",
    "points",
    "percent",
    "weeks",
    "bands",
    "prices",
]
SCOPES = [
    "this month",
    "today",
    "this week",
    "last year",
    "next week",
    "every day",
    "in March",
    "currently",
    "already",
    "so far",
    "this quarter",
    "in spring",
    "nationwide",
    "each month",
    "again this week",
    "in every week",
    "only",
    "always",
    "mostly everywhere",
    "for years",
]
CAUSES = [
    "because of demand",
    "due to price",
    "thanks to demand",
    "since prices fell",
    "as prices rose",
    "so it is good",
    "driven by price",
    "caused by volume",
    "owing to weeks",
    "which explains it",
    "therefore",
    "leading to more decisions",
    "for that reason",
    "as a result",
]
FORECASTS = [
    "will rise",
    "is set to rise",
    "next",
    "soon",
    "should grow",
    "is expected to grow",
    "and will hold",
    "and may rise",
    "could fall",
    "is likely to rise",
]
LOOKALIKES = dict(
    zip(
        "aceiopsxyjhAEOTM",
        "\u0430\u0441\u0435\u0456\u043e\u0440\u0455\u0445\u0443\u0458\u04bb\u0410\u0415\u041e\u0422\u041c",
        strict=True,
    )
)
MARKUP = [
    "**{}**",
    "_{}_",
    "`{}`",
    "<b>{}</b>",
    "[{}](https://x.y)",
    "#{}",
    "{}!",
    "{}?",
    "{}…",
    "“{}”",
    "\u200b{}",
    "{}\u00ad",
    "{}\u202e",
    "{} 🙂",
    "{}\u0301",
    "&lt;{}",
    "$x_{}$",
    "{}/x",
    "@{}",
    "{}*",
    "~{}~",
    "{}%",
    "\uff41{}",
    "\t{}",
]


def _words(text: str) -> list[tuple[int, int]]:
    taken = [match.span() for match in SLOT.finditer(text)]
    return [
        match.span()
        for match in re.finditer(r"[A-Za-z'-]+", text)
        if not any(start <= match.start() < end for start, end in taken)
    ]


def _change_word(case: Case, chance: random.Random, change: Callable[[str], str]) -> Case:
    start, end = chance.choice(_words(case.text))
    return replace(case, text=case.text[:start] + change(case.text[start:end]) + case.text[end:])


def _insert(case: Case, chance: random.Random, words: list[str]) -> Case:
    word = chance.choice(words)
    return _change_word(
        case, chance, lambda old: f"{old} {word}" if chance.random() < 0.6 else f"{word} {old}"
    )


def _digits(case: Case, chance: random.Random) -> Case:
    number = chance.choice(
        [str(chance.randrange(100)), "12 %", "$500", "2026-W14", "½", "\uff13", "٤", "IV", "1.5"]
    )
    if chance.random() < 0.4 and SLOT.search(case.text):
        return replace(case, text=SLOT.sub(number, case.text, count=1))
    return _insert(case, chance, [number])


def _number_words(case: Case, chance: random.Random) -> Case:
    return _insert(case, chance, NUMBERS)


def _negations(case: Case, chance: random.Random) -> Case:
    return _insert(case, chance, NEGATIONS)


def _contractions(case: Case, chance: random.Random) -> Case:
    return _insert(case, chance, CONTRACTIONS)


def _scopes(case: Case, chance: random.Random) -> Case:
    return _insert(case, chance, SCOPES)


def _causes(case: Case, chance: random.Random) -> Case:
    return _insert(case, chance, CAUSES)


def _forecasts(case: Case, chance: random.Random) -> Case:
    return _insert(case, chance, FORECASTS)


def _nouns(case: Case, chance: random.Random) -> Case:
    found = list(re.finditer(r"\b(?:estimates?|decisions?)\b", case.text))
    if not found:
        # Quiet weeks are weeks.
        nouns = [noun for noun in NOUNS if noun != "weeks" or "quiet_weeks" not in case.facts]
        return _insert(case, chance, nouns)
    match = chance.choice(found)
    # Each estimate has a price, so that "prices" would be true of them.
    nouns = [noun for noun in NOUNS if noun != "prices" or not any("price" in fact for fact in case.facts)]
    return replace(case, text=case.text[: match.start()] + chance.choice(nouns) + case.text[match.end() :])


def _other_facts(case: Case, chance: random.Random) -> Case:
    """A placeholder becomes another one, of a fact that may be cited as well."""
    slots = list(SLOT.finditer(case.text))
    match = chance.choice(slots)
    fact, name = match.groups()
    value = case.given[fact].values[name]
    others = [
        (other.id, key)
        for other in case.given.values()
        for key, found in other.values.items()
        # The same number under another name would be as true, and so would a count in the place of its share.
        if found is not None
        and found != value
        and (other.id, key) != (fact, name)
        and not (other.id == fact and {name, key} == {"count", "share"})
    ]
    wanted = chance.choice(others)
    facts = case.facts
    if wanted[0] not in facts and chance.random() < 0.8:
        facts = (*facts[:2], wanted[0])
    return replace(
        case,
        facts=facts,
        text=case.text[: match.start()] + f"{{{wanted[0]}.{wanted[1]}}}" + case.text[match.end() :],
    )


def _swapped(case: Case, chance: random.Random) -> Case:
    """Two placeholders change places."""
    slots = list(SLOT.finditer(case.text))
    if len(slots) < 2:
        return _other_facts(case, chance)
    one, other = sorted(chance.sample(slots, 2), key=lambda match: match.start())
    values = [case.given[each[1]].values[each[2]] for each in (one, other)]
    if values[0] == values[1]:
        return _other_facts(case, chance)
    text = case.text
    return replace(
        case,
        text=text[: one.start()] + other[0] + text[one.end() : other.start()] + one[0] + text[other.end() :],
    )


def _lookalikes(case: Case, chance: random.Random) -> Case:
    places = [place for place, sign in enumerate(case.text) if sign in LOOKALIKES]
    place = chance.choice(places)
    return replace(case, text=case.text[:place] + LOOKALIKES[case.text[place]] + case.text[place + 1 :])


def _markup(case: Case, chance: random.Random) -> Case:
    return _change_word(case, chance, chance.choice(MARKUP).format)


def _case(case: Case, chance: random.Random) -> Case:
    start, _ = chance.choice([span for span in _words(case.text) if span[0] > 0])
    changed = chance.choice([str.upper, str.title])
    word = re.match(r"[A-Za-z'-]+", case.text[start:])
    assert word is not None
    return replace(case, text=case.text[:start] + changed(word[0]) + case.text[start + len(word[0]) :])


def _hyphens(case: Case, chance: random.Random) -> Case:
    prefix = chance.choice(["non-", "un-", "semi-", "ever-", "un", "most-", "pre-"])
    if chance.random() < 0.5:
        return _change_word(case, chance, lambda word: prefix + word.lower())
    spaces = [match.start() for match in re.finditer(r"(?<=[a-z]) (?=[a-z])", case.text)]
    if not spaces:
        return _change_word(case, chance, lambda word: prefix + word.lower())
    place = chance.choice(spaces)
    return replace(case, text=case.text[:place] + "-" + case.text[place + 1 :])


def _spaces(case: Case, chance: random.Random) -> Case:
    places = [place for place, sign in enumerate(case.text) if sign == " "]
    place = chance.choice(places)
    space = chance.choice(["  ", "\t", "\n", "\u00a0", "\u2009", "", " \u200b"])
    changed = case.text[:place] + space + case.text[place + 1 :]
    return replace(case, text=changed)


def _formats(case: Case, chance: random.Random) -> Case:
    slot = chance.choice(list(SLOT.finditer(case.text)))
    fact, name = slot.groups()
    forms = [
        f"{{{fact}.{name}.real}}", f"{{{fact}.{name}!r}}", f"{{{fact}.{name}:>9}}", f"{{{{{fact}.{name}}}}}",
        f"{{{fact}[{name}]}}", f"{{ {fact}.{name} }}", f"{{{fact}}}", "{}", "{0}", f"{{{fact}.__class__}}",
        f"{{{fact}.{{{fact}.{name}}}}}", f"${{{fact}.{name}}}", f"{{{fact}.{name}", f"{fact}.{name}}}",
        f"{{{fact.upper()}.{name}}}", f"{{{fact}.{name}}}{{{fact}.{name}}}", f"%({fact})s", f"{{{fact}.id}}",
    ]  # fmt: skip
    return replace(case, text=case.text[: slot.start()] + chance.choice(forms) + case.text[slot.end() :])


def false_words(situation: str) -> list[str]:
    """Checked words that hold of no fact of a situation, wherever they stand; in all their inflections."""
    facts, nowhere = SITUATIONS[situation].values(), Part("")
    found: list[str] = []
    for phrase, senses in SENSES.items():
        claims = [
            sense for sense in senses if sense.claim not in {None, "measured", "average", "interval", "beats"}
        ]
        if len(claims) == len(senses) and not any(
            (sense.facts is None or fact.id in sense.facts)
            and PREDICATES[sense.claim or ""](fact, nowhere, None)  # pyright: ignore[reportArgumentType] -- these look at the fact alone
            for sense in claims
            for fact in facts
        ):
            found.append(phrase)
    return found


FALSE_WORDS = {situation: false_words(situation) for situation in SITUATIONS}


def _claims(case: Case, chance: random.Random) -> Case:
    """A checked word that does not hold, in any inflection, at any place or in the place of another word."""
    # "Fall in the price band" is another word than "fall".
    word = chance.choice(
        [word for word in FALSE_WORDS[case.situation] if not word.startswith(("fall", "fell"))]
    )
    formed = chance.choice([word, word, word, word.upper(), word.title(), f"{word}s", word.replace(" ", "-")])
    if chance.random() < 0.5:
        return _change_word(case, chance, lambda _: formed)
    return _insert(case, chance, [formed])


MUTATIONS: Mapping[str, Callable[[Case, random.Random], Case]] = {
    "digits": _digits,
    "number words": _number_words,
    "negations": _negations,
    "contractions": _contractions,
    "scopes": _scopes,
    "causes": _causes,
    "forecasts": _forecasts,
    "nouns": _nouns,
    "other facts": _other_facts,
    "swapped": _swapped,
    "look-alikes": _lookalikes,
    "markup": _markup,
    "case": _case,
    "hyphens": _hyphens,
    "spaces": _spaces,
    "formats": _formats,
    "claims": _claims,
}
