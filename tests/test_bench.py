"""What can be wrong in the benches without measuring anything: verdicts, and whether clicks still click."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from bench.clicks import PAGES, Page, press
from bench.filled import fill_runs, fill_sources
from bench.line import Goal, compared, failed, in_unit, measured, not_measured
from bench.served import Served, dashboard, trivial
from bench.session import session
from bench.snapshot import RIVALS, version_of
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
        (0.524, "0.52 ms"),
        (float("inf"), "inf ms"),
        (12.345, "12.3 ms"),
        (123.4, "123 ms"),
        (3437.2, "3,437 ms"),
        (15, "15 ms"),
    ],
)
def test_figures_have_as_many_digits_as_they_are_good_for(figure: float, shown: str) -> None:
    """Three, and whole thousands."""
    assert in_unit(figure, "ms") == shown


@pytest.mark.parametrize("environment", sorted({environment for environment, _, _ in RIVALS.values()}))
def test_the_version_of_each_rival_is_known(environment: str) -> None:
    """From its lock, which names hashes alone."""
    assert version_of(environment)[:1].isdigit()


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
