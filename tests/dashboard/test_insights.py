"""What stands out, on pages: the same before and after a snapshot, chosen sentences with their numbers."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from streamlit.testing.v1 import AppTest

from secondlook.dashboard import resources
from secondlook.dashboard.parts import charts
from secondlook.domain.access import Access
from secondlook.tasks.insights.facts import facts_of, given_of
from secondlook.views.insights import standing_out
from tests.examples import USER, example_input
from tests.processes import ROOT, samples

MAIN = ROOT / "secondlook" / "dashboard" / "main.py"


@pytest.fixture
def page() -> Generator[AppTest]:
    """The page of a sample source."""
    resources.clear()
    try:
        app = AppTest.from_file(str(MAIN), default_timeout=60)
        app.query_params["source"] = samples()[0].source_id
        yield app.run()
    finally:
        resources.clear()


def numbers(page: AppTest) -> list[str]:
    """The first names of the tables that show a fact's numbers."""
    columns = [[str(each) for each in table.value.iloc[:, 0]] for table in page.table]
    return [column[0] for column in columns if "Share" in column]


def test_before_and_after_a_snapshot(page: AppTest) -> None:
    """A source has facts before anything is sent; those of its snapshot are the same."""
    sentences = page.radio[0].options
    runner = resources.runner()
    run = runner.execute(runner.submit(samples()[0].source_id, Access(USER)).run_id)
    snapshot = resources.services().store(Access(USER)).get_snapshot(run.run_id, USER)
    assert snapshot is not None
    facts = facts_of(given_of(snapshot.result))
    assert len(sentences) == len(standing_out(facts))
    page.run()
    assert page.radio[0].options == sentences
    page.switch_page(str(ROOT / "pages" / "snapshots.py"))
    page.query_params["snapshot"] = run.run_id
    page.run()
    assert not page.exception
    assert page.radio[0].options == sentences


def test_a_chosen_sentence_shows_its_numbers(page: AppTest) -> None:
    """None is chosen at first; the chosen one can be let alone again; all facts are a toggle away."""
    assert page.radio[0].value is None
    assert numbers(page) == []
    page.radio[0].set_value(0).run()
    assert not page.exception
    assert len(numbers(page)) == 1
    next(button for button in page.button if button.label == "Hide numbers and marks").click().run()
    assert page.radio[0].value is None
    next(toggle for toggle in page.toggle if toggle.label == "All facts").set_value(True).run()
    assert not page.exception
    told = page.radio[0].options
    assert [sentence for sentence in told if "closed in 44 weeks" in sentence] == told[:1]
    assert len(told) == 12
    assert sum("The median of the other sources is" in sentence for sentence in told) == 3


def test_marked_counts_stand_out() -> None:
    """The others fade; where nothing is chosen, none does."""
    demand = example_input().demand
    assert charts.weekly_rows(demand.weekly_volume).to_pydict()[charts.FADED] == [False, False]
    rows = charts.weekly_rows(demand.weekly_volume, {"2026-W02"}).to_pydict()
    assert dict(zip(rows["week"], rows[charts.FADED], strict=True)) == {"2026-W01": True, "2026-W02": False}
    bands = charts.band_rows(demand.price_distribution, {"<500"}).to_pydict()
    assert bands[charts.FADED] == [False, True, True, True]
    for spec in (charts.WEEKLY, charts.BANDS):
        (faded,) = spec["encoding"]["opacity"]["condition"]
        assert faded == {"test": f"datum.{charts.FADED}", "value": 0.3}


@pytest.mark.parametrize(
    ("weeks", "told"),
    [
        ((3, 5), "the busiest week is 2026-W02 with 5."),
        ((5, 5), "2 weeks tie at 5."),
        ((0, 0), "no week has an estimate."),
    ],
)
def test_a_tie_is_no_leader_in_words(weeks: tuple[int, int], told: str) -> None:
    """The text alternative calls no week busiest where several tie."""
    shown = zip(example_input().demand.weekly_volume, weeks, strict=True)
    counted = [each.model_copy(update={"count": count}) for each, count in shown]
    assert charts.describe_weeks(counted).endswith(told)
