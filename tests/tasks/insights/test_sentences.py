"""Which sentences of an answer are accepted: true ones in many words, and no false one."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secondlook.tasks.insights.parsing import Part, Term, find_terms, scan
from secondlook.tasks.insights.predicates import PREDICATES, is_steady
from secondlook.tasks.insights.rules import SENTENCE_RULES, refused_by
from secondlook.tasks.insights.task import fill
from secondlook.tasks.insights.vocabulary import GROUPS
from tests.tasks.insights.mutations import MUTATIONS, Case, read_cases
from tests.tasks.insights.situations import GROWING, SITUATIONS, STEADY, fact

PARAPHRASES = read_cases("paraphrases.tsv")
TAKEN = [case for case in PARAPHRASES if case.rule is None]


def test_nearly_all_true_paraphrases_are_taken() -> None:
    """At least 95 % of some 300 true sentences, so that refusing everything wins nothing."""
    assert len(PARAPHRASES) >= 290
    assert len(TAKEN) / len(PARAPHRASES) >= 0.95


@pytest.mark.parametrize("case", read_cases("lies.tsv"), ids=lambda case: case.text)
def test_a_lie_is_refused(case: Case) -> None:
    """False value, unit, direction, band, noun, scope, tie, or a word tied to another cited fact."""
    assert case.rule is not None


@pytest.mark.parametrize("case", read_cases("forbidden.tsv"), ids=lambda case: case.text)
def test_what_the_contract_forbids_is_refused(case: Case) -> None:
    """Number words, negations, causes and other times, also where they would be true."""
    assert case.rule in {"vocabulary", "placeholders"}


@pytest.mark.parametrize("kind", MUTATIONS)
@given(chance=st.randoms(use_true_random=False), case=st.sampled_from(TAKEN))
@settings(max_examples=40, deadline=None)
def test_no_mutant_gets_through(kind: str, chance: random.Random, case: Case) -> None:
    """An accepted sentence with one change that makes it false, or no sentence, is refused."""
    mutant = MUTATIONS[kind](case, chance)
    assert (mutant.text, mutant.facts) == (case.text, case.facts) or mutant.rule is not None


@pytest.mark.slow
def test_none_of_ten_thousand_mutants_gets_through() -> None:
    """The same 10,000 times, from one seed."""
    chance = random.Random(20261128)  # noqa: S311 -- changes, not secrets
    through: list[str] = []
    made = 0
    while made < 10_000:
        case = chance.choice(TAKEN)
        mutant = MUTATIONS[chance.choice(list(MUTATIONS))](case, chance)
        if (mutant.text, mutant.facts) == (case.text, case.facts):
            continue
        made += 1
        through += [mutant.text] if mutant.rule is None else []
    assert through == []


GOOD = "{price_leader.share} of estimates fall in the {price_leader.band} price band."
RULES: list[tuple[str, list[str], str]] = [
    ("", ["price_leader"], "length"),
    ("{price_leader.share}", ["price_leader"], "anchor"),
    ("Too short.", ["price_leader"], "length"),
    (GOOD * 4, ["price_leader"], "length"),
    ("x" * 200_000, ["price_leader"], "length"),
    (GOOD.replace(" fall", "\nfall"), ["price_leader"], "length"),
    (GOOD.replace(" fall", "\tfall"), ["price_leader"], "characters"),
    (GOOD.replace(" fall", "  fall"), ["price_leader"], "characters"),
    (GOOD.replace("fall", "FALL"), ["price_leader"], "characters"),
    (GOOD.replace("fall", "**fall**"), ["price_leader"], "characters"),
    (GOOD.replace("fall", "f\u0430ll"), ["price_leader"], "characters"),
    (GOOD.replace("fall", "fa\u200bll"), ["price_leader"], "characters"),
    (GOOD.replace("estimates", "Schätzungen"), ["price_leader"], "characters"),
    ("大部分估价集中在一个价格区间 这是最常见的价格区间 占大多数 占大多数", ["price_leader"], "characters"),
    ("La mayoría de los presupuestos están en esta banda de precios.", ["price_leader"], "characters"),
    ("Die meisten {price_leader.share} liegen im Band {price_leader.band}.", ["price_leader"], "characters"),
    (GOOD.replace("of estimates", "of 12 estimates"), ["price_leader"], "characters"),
    (GOOD.replace("{price_leader.share}", "56 %"), ["price_leader"], "characters"),
    (GOOD.replace("{price_leader.share}", "{{price_leader.share}}"), ["price_leader"], "characters"),
    (GOOD.replace("{price_leader.share}", "{price_leader.share!r}"), ["price_leader"], "characters"),
    (GOOD.replace("{price_leader.share}", "{price_leader.share:>9}"), ["price_leader"], "characters"),
    (GOOD.replace("{price_leader.share}", "{price_leader.share.real}"), ["price_leader"], "characters"),
    (GOOD.replace("{price_leader.share}", "{price_leader[share]}"), ["price_leader"], "characters"),
    (GOOD.replace("share}", "{price_leader.share}}"), ["price_leader"], "characters"),
    (GOOD.replace("{price_leader.share}", "{0}"), ["price_leader"], "characters"),
    (GOOD.replace("{price_leader.share}", "{}"), ["price_leader"], "characters"),
    (GOOD.replace("{price_leader.share}", "{price_leader.__class__}"), ["price_leader"], "placeholders"),
    (GOOD.replace("{price_leader.share}", "{price_leader.nothing}"), ["price_leader"], "placeholders"),
    (GOOD, [], "facts"),
    (GOOD, ["price_leader", "price_leader"], "facts"),
    (GOOD, ["price_leader", "price_median", "sample", "volume"], "facts"),
    (GOOD, ["price_leader", "revenue"], "facts"),
    (GOOD, ["price_median"], "placeholders"),
    ("Most of the estimates fall in the leading price band.", ["price_leader"], "placeholders"),
    (GOOD.replace("estimates", "customers"), ["price_leader"], "vocabulary"),
    (GOOD.replace("fall", "may fall"), ["price_leader"], "vocabulary"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "cites", "rule"), RULES, ids=range(len(RULES)))
def test_each_form_is_refused_by_its_rule(text: str, cites: list[str], rule: str) -> None:
    """Form, citations, placeholders and words: the first rule that does not hold is named."""
    assert refused_by(text, cites, GROWING) == rule


def test_the_sentence_that_these_are_made_of_is_accepted() -> None:
    """And it gets the values of its facts."""
    assert refused_by(GOOD, ["price_leader"], GROWING) is None
    assert fill(GOOD, GROWING) == "55 % of estimates fall in the $500 to $1,500 price band."


def test_a_null_value_cannot_be_named() -> None:
    """With a tie there is no busiest week and no leading band."""
    assert refused_by("The busiest week was {busiest_week.week}.", ["busiest_week"], STEADY) == "placeholders"


def test_a_text_is_never_formatted_by_the_language() -> None:
    """A value that looks like a placeholder stays as it is."""
    facts = {"sample": fact("sample", estimates=40, confidence="{sample.estimates}")}
    assert fill("Confidence is {sample.confidence} here.", facts) == "Confidence is {sample.estimates} here."


@given(st.text(max_size=300), st.lists(st.text(max_size=20), max_size=5))
@settings(max_examples=200, deadline=None)
def test_any_text_is_judged(text: str, cites: list[str]) -> None:
    """Nothing that a model could write raises."""
    assert refused_by(text, cites, GROWING) is not None


CLAIMS: list[tuple[str, dict[str, Any], bool]] = [
    ("majority", {"share": 0.501}, True),
    ("majority", {"share": 0.5}, False),
    ("half", {"share": 0.45}, True),
    ("half", {"share": 0.449}, False),
    ("half", {"share": 0.551}, False),
    ("nearly_half", {"share": 0.48}, True),
    ("nearly_half", {"share": 0.5}, False),
    ("minority", {"share": 0.49}, True),
    ("minority", {"share": 0.5}, False),
    ("small_share", {"share": 0.25}, True),
    ("small_share", {"share": 0.26}, False),
    ("leads", {"ties": 1}, True),
    ("leads", {"ties": 2}, False),
    ("tied", {"ties": 2}, True),
    ("tied", {"ties": 1}, False),
    ("up", {"direction": "up", "clear": True}, True),
    ("up", {"direction": "up", "clear": False}, False),
    ("up", {"direction": "down", "clear": True}, False),
    ("down", {"direction": "down", "clear": True}, True),
    ("down", {"direction": "down", "clear": False}, False),
    ("moves", {"direction": "down", "clear": True}, True),
    ("moves", {"direction": None, "clear": True}, False),
    ("clear", {"clear": True}, True),
    ("clear", {"clear": False}, False),
    ("steady", {"recent": 60, "before": 58}, True),
    ("steady", {"recent": 5, "before": 5}, False),
    ("steady", {"recent": 44, "before": 21}, False),
    ("few_weeks", {"count": 3, "weeks": 12}, True),
    ("few_weeks", {"count": 4, "weeks": 12}, False),
    ("low_confidence", {"confidence": "low"}, True),
    ("low_confidence", {"confidence": "high"}, False),
]


@pytest.mark.parametrize(("claim", "values", "holds"), CLAIMS)
def test_a_checked_word_claims_what_the_contract_says(
    claim: str, values: dict[str, Any], holds: bool
) -> None:
    """Each predicate at its limits."""
    assert PREDICATES[claim](fact("any", **values), Part(""), Term("word", ())) is holds


def test_every_claim_of_the_vocabulary_has_a_predicate() -> None:
    """And every predicate is claimed by a word."""
    assert {group.claim for group in GROUPS if group.claim is not None} == set(PREDICATES)


def test_few_estimates_are_too_few_to_be_steady() -> None:
    """Not being clear is not being steady: that takes some 66 estimates."""
    assert not is_steady(0, 0)
    assert not any(is_steady(half, half) for half in range(1, 30))
    assert is_steady(40, 40)


def test_a_phrase_is_one_word() -> None:
    """The longest phrase counts: "most common" is no "most"."""
    terms = find_terms(scan("The most common price band leads clearly.") or [])
    assert [getattr(term, "text", "") for term in terms][:3] == ["the", "most common", "price band"]


def test_each_rule_refuses_something() -> None:
    """No rule is there for nothing."""
    cases = [*read_cases("lies.tsv"), *read_cases("forbidden.tsv")]
    refusing = {case.rule for case in cases} | {rule for _, _, rule in RULES}
    chance = random.Random(5)  # noqa: S311 -- changes, not secrets
    refusing |= {MUTATIONS["other facts"](chance.choice(TAKEN), chance).rule for _ in range(2000)}
    assert refusing >= {rule.name for rule in SENTENCE_RULES}


def test_the_situations_are_not_alike() -> None:
    """The same words are true of one source and false of another."""
    text, cites = (
        "Volume is rising, with {recent_volume.recent} estimates in recent weeks.",
        ["recent_volume"],
    )
    assert [refused_by(text, cites, facts) for facts in SITUATIONS.values()] == [None, "claims", "claims"]
