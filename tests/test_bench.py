"""What can be wrong in the benches without measuring anything: verdicts, and whether clicks still click."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path

import pytest

from bench.clicks import PAGES, Page, press
from bench.filled import fill_runs, fill_sources
from bench.line import Goal, compared, failed, in_unit, measured, not_measured
from bench.models.inputs import FORMS, random_input
from bench.models.llama import continuation
from bench.models.measure import Answer, figures, keep, read
from bench.served import Served, dashboard, trivial
from bench.session import session
from bench.snapshot import RIVALS, version_of
from secondlook.tasks.snapshot.prompt import lay_out, messages
from tests.loops import run_apart


@pytest.mark.parametrize(
    ("goal", "ours", "theirs", "verdict"),
    [
        pytest.param(Goal("≤", 1.3), 13.0, 10.0, "yes", id="just"),
        pytest.param(Goal("≤", 1.3), 13.01, 10.0, "no", id="missed by what rounding would hide"),
        pytest.param(Goal("<", 1), 10.0, 10.0, "no", id="equal is not below"),
        pytest.param(Goal("<", 1), 9.99, 10.0, "yes", id="below"),
        pytest.param(Goal("≥", 0.95), 9.4, 10.0, "no", id="too little"),
        pytest.param(None, 99.0, 1.0, "", id="for information"),
    ],
)
def test_a_ratio_is_held_against_its_goal(
    goal: Goal | None, ours: float, theirs: float, verdict: str
) -> None:
    """Ours by theirs, unrounded."""
    line = compared("a", "b", ours, theirs, "ms", goal)
    assert (line.holds, line.figure) == (verdict, f"{ours / theirs:.2f} x")


def test_a_figure_is_held_against_its_goal() -> None:
    """A figure without anything to compare it with."""
    goal = Goal("≥", 0.95, "of ideal")
    assert measured("a", "b", "", 0.96, "of ideal", goal).cells[-3:] == [
        "0.96 of ideal",
        "≥ 0.95 of ideal",
        "yes",
    ]
    assert measured("a", "b", "", 0.94, "of ideal", goal).holds == "no"


def test_what_was_not_measured_holds_nothing() -> None:
    """It says why, and shows no figure; what broke counts as missed."""
    line = not_measured("a", "b", Goal("≤", 1), "no Chromium")
    assert (line.ours, line.theirs, line.figure, line.holds) == ("", "", "no Chromium", "not measured")
    assert failed("a").holds == "no"


@pytest.mark.parametrize(
    ("figure", "shown"),
    [
        *((0.524, "0.52 ms"), (float("inf"), "inf ms"), (12.345, "12.3 ms"), (123.4, "123 ms")),
        *((3437.2, "3,437 ms"), (15, "15 ms")),
    ],
)
def test_figures_have_as_many_digits_as_they_are_good_for(figure: float, shown: str) -> None:
    """Three, and whole thousands."""
    assert in_unit(figure, "ms") == shown


@pytest.mark.parametrize("environment", sorted({environment for environment, _, _ in RIVALS.values()}))
def test_the_version_of_each_rival_is_known(environment: str) -> None:
    """From its lock, which names hashes alone."""
    assert version_of(environment)[:1].isdigit()


def completion(text: str, finish_reason: str = "stop") -> str:
    """The body of a model's answer."""
    usage = {"prompt_tokens": 300, "completion_tokens": 280, "total_tokens": 580}
    choice = {"index": 0, "finish_reason": finish_reason, "message": {"role": "assistant", "content": text}}
    return json.dumps({"object": "chat.completion", "choices": [choice], "usage": usage})


def test_answers_of_real_models_are_judged_by_the_rules() -> None:
    """Exact ones are counted, the others by rule and reason; tokens are those that the server counted."""
    right = lay_out(random_input(8, 0))
    wrong = right.replace('"low"', '"medium"').replace('"high"', '"low"')
    bodies = [completion(right), completion(wrong), completion(right[:99], "length"), completion(right[:99])]
    answers = [Answer("gemma", "prompt 2", 8, 0, 5.0, body) for body in bodies]
    exact, mistakes, tokens, seconds = figures(answers)
    assert (exact, tokens, seconds) == ("1 of 4", "300 + 280", "5")
    assert mistakes == "1 meta: mismatch, 1 truncated: truncated, 1 json: not_json"


def test_every_prompt_gets_the_same_inputs(tmp_path: Path) -> None:
    """By number of weeks and number; what is kept can be gone on with, and says what was sent."""
    assert random_input(12, 1) == random_input(12, 1) != random_input(12, 2)
    kept = tmp_path / "answers.jsonl"
    answer = Answer("smollm2", "prompt 1", 12, 1, 5.0, completion("{}"))
    keep(answer, kept)
    assert read(kept) == [answer]
    assert json.loads(kept.read_text())["input"] == random_input(12, 1).model_dump(mode="json")


@pytest.mark.parametrize(
    ("tokens", "guessed"),
    [
        pytest.param([1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4, 5, 6], [7, 8, 9, 1, 2, 3, 4, 5, 6], id="again"),
        pytest.param([0, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5], [], id="too few to tell"),
        pytest.param([5, 5, 5, 5, 5, 5, 5, 5], [5], id="the latest place"),
        pytest.param([], [], id="nothing"),
    ],
)
def test_what_comes_next_is_guessed_from_what_came_before(tokens: list[int], guessed: list[int]) -> None:
    """Where the last tokens stood before, what followed them there."""
    assert continuation(tokens) == guessed


def test_the_prompts_that_are_compared() -> None:
    """The product's own, the one before it, and the input as indented JSON; equal inputs, equal prompts."""
    agent_input = random_input(8, 0)
    assert FORMS["prompt 2"].messages(agent_input) == messages(agent_input)
    week = agent_input.demand.weekly_volume[0]
    first = f"weekly_volume\n{week.week[:4]}-W {week.week[-2:]}:{week.count} "
    assert FORMS["prompt 1"].messages(agent_input)[1]["content"].startswith(first)
    assert json.loads(FORMS["indented JSON"].messages(agent_input)[1]["content"]) == agent_input.model_dump(
        mode="json"
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store and a ledger with some of everything."""
    made = tmp_path_factory.mktemp("bench")
    fill_sources(made, 30)
    fill_runs(made, 60, sources=30)
    return made


@pytest.fixture(scope="module")
def served(folder: Path) -> Generator[Served]:
    """The dashboard on them."""
    with dashboard(folder) as each:
        yield each


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_click_has_its_page_run_again(served: Served, page: Page) -> None:
    """There and back; a page that draws an exception, or lacks the widget, fails."""

    async def clicks() -> None:
        async with session(served.url, page.page, page.query) as tab:
            for turn in range(2):
                page.click(tab, turn)
                assert await tab.run() > 0
                assert page.name.partition(",")[0] in tab.texts

    run_apart(clicks())


def test_the_trivial_page_is_pressed() -> None:
    """As plain `streamlit run` serves it."""

    async def clicks() -> list[str]:
        async with session(theirs.url) as tab:
            press(tab, 0)
            await tab.run()
            with pytest.raises(LookupError, match="no button 'Other', but button 'Button'"):
                tab.press("Other")
            return tab.texts

    with trivial() as theirs:
        assert run_apart(clicks()) == ["Title"]
