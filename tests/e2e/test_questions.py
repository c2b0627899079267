"""Ten questions of somebody who has never seen the dashboard, each answered in at most two clicks.

docs/dashboard.md lists them with their clicks: a test holds that it lists these.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from playwright.sync_api import Locator, Page

from tests.documents import rows, section
from tests.e2e.conftest import Dashboard, NewPage, settle
from tests.e2e.demo import Demo
from tests.provider import answering_once

pytestmark = pytest.mark.browser

MOST_CLICKS = 2


@dataclass
class Walk:
    """A newcomer on the first page, whose clicks are counted."""

    demo: Demo
    page: Page
    clicks: int = 0

    def begin(self) -> None:
        """Come to the first page."""
        self.page.goto(self.demo.url)
        self.page.get_by_text("Or select a source").wait_for()
        settle(self.page)
        self.clicks = 0

    def click(self, what: Locator) -> None:
        """One click."""
        what.click()
        self._count()

    def tick(self, name: str) -> None:
        """One click on the box of a table's row."""
        table = self.page.get_by_test_id("stDataFrame").first
        table.locator("canvas").first.wait_for()
        cell = table.locator("td", has_text=name).first
        row = cell.evaluate("each => Number(each.closest('tr').getAttribute('aria-rowindex'))")
        box = table.bounding_box()
        assert box is not None
        self.page.mouse.click(box["x"] + 12, box["y"] + 35 * (row - 1) + 17)
        self._count()

    def to(self, page: str) -> None:
        """One click on a page's name."""
        self.click(self.page.get_by_test_id("stSidebarNav").get_by_role("link", name=page, exact=True))
        self.page.get_by_role("heading", name=page, level=1).wait_for()

    def see(self, words: str | re.Pattern[str]) -> None:
        """Read the answer."""
        self.page.get_by_text(words).first.wait_for()

    def read(self, row: str, cell: str) -> None:
        """Read the answer in a table that is drawn, not in one that is text."""
        found = self.page.get_by_test_id("stDataFrame").first.locator("tr", has_text=row).first
        found.locator("td", has_text=cell).first.wait_for(state="attached")

    def _count(self) -> None:
        self.clicks += 1
        settle(self.page)


def which_are_ready(walk: Walk) -> None:
    """The status says so in the list."""
    walk.read(walk.demo.fresh, "bucketed, ready")
    walk.click(walk.page.get_by_role("combobox", name="Status"))
    walk.click(walk.page.get_by_role("option", name="bucketed, ready"))
    walk.see(re.compile(r"^\d+ sources$"))
    walk.read(walk.demo.fresh, "bucketed, ready")


def what_would_the_agent_see(walk: Walk) -> None:
    """The object itself, before anything is sent."""
    walk.click(walk.page.get_by_role("button", name=f"Open {walk.demo.fresh}"))
    walk.click(walk.page.get_by_text("Agent input"))
    walk.see("The agent sees this object and its instructions only")
    walk.see('"estimate_count"')


def what_did_it_cost(walk: Walk) -> None:
    """The cost stands beside the snapshot."""
    walk.tick(walk.demo.name)
    cost = walk.page.get_by_test_id("stMetric").filter(has_text="Cost")
    cost.get_by_text(re.compile(r"^≈ \$0\.\d+$")).wait_for()


def which_week_was_busiest(walk: Walk) -> None:
    """The week and its count stand at the top of the source."""
    walk.tick(walk.demo.name)
    walk.page.get_by_test_id("stMetric").filter(has_text="Busiest week").get_by_text(
        walk.demo.busiest
    ).wait_for()


def is_it_up_to_date(walk: Walk) -> None:
    """A mark says whether the buckets have changed."""
    walk.tick(walk.demo.changed)
    walk.see("Buckets changed since this snapshot")
    walk.begin()
    walk.tick(walk.demo.name)
    walk.see("Snapshot is up to date")


def does_it_match(walk: Walk) -> None:
    """The check of every value stands beside the snapshot."""
    walk.tick(walk.demo.name)
    walk.see(re.compile(r"^(\d+) of \1 values match the buckets$"))


def on_paper(walk: Walk) -> None:
    """The report is one button away from the snapshot."""
    walk.tick(walk.demo.name)
    with walk.page.expect_download() as taken:
        walk.click(walk.page.get_by_role("button", name="Download report"))
    assert f"<h1>{walk.demo.name}</h1>" in taken.value.path().read_text(encoding="utf-8")


def why_was_it_refused(walk: Walk) -> None:
    """The run says which rule its answer broke, and where."""
    walk.to("Runs")
    walk.click(walk.page.get_by_role("button", name="Open newest run"))
    walk.see(re.compile("^Answer rejected.*mismatch"))
    walk.see("1 value does not match")


def how_much_this_month(walk: Walk) -> None:
    """Dollars of this month, in a table."""
    walk.to("Usage")
    walk.page.get_by_role("row", name=re.compile(r"^You, this month \d+, no limit \$0\.\d+")).wait_for()


def what_is_going_on(walk: Walk) -> None:
    """What waits for a person is on the page Batch; what continues without intervention on every page."""
    walk.to("Batch")
    walk.page.get_by_role("heading", name="Outcome unknown").wait_for()
    walk.see("The provider has not confirmed whether it processed these requests.")


QUESTIONS: dict[str, Callable[[Walk], None]] = {
    "Which sources are ready?": which_are_ready,
    "What would the agent see?": what_would_the_agent_see,
    "What did this snapshot cost?": what_did_it_cost,
    "Which week was busiest?": which_week_was_busiest,
    "Is this snapshot up to date?": is_it_up_to_date,
    "Does it match the buckets?": does_it_match,
    "Can I get it on paper?": on_paper,
    "Why was this answer refused?": why_was_it_refused,
    "How much did we spend this month?": how_much_this_month,
    "What is still open?": what_is_going_on,
}


@pytest.mark.parametrize("question", list(QUESTIONS))
def test_answered_in_two_clicks(demo: Demo, new_page: NewPage, question: str) -> None:
    """From the first page, without knowing an address."""
    newcomer = Walk(demo, new_page())
    newcomer.page.emulate_media(reduced_motion="reduce")
    newcomer.begin()
    QUESTIONS[question](newcomer)
    assert newcomer.clicks <= MOST_CLICKS


def test_what_goes_on_is_said_on_every_page(dashboard: Dashboard) -> None:
    """Without a click: beside the first page, while a run goes on, and not afterwards."""
    home, release = dashboard.home, list[bool]()
    home.provider.behaviour = answering_once(lambda: bool(release), home.sample.answer)
    dashboard.open_sample()
    dashboard.generate.click()
    dashboard.see("Generating")
    dashboard.page.get_by_test_id("stSidebar").get_by_text("Running: 1 run").wait_for()
    release.append(True)
    dashboard.page.get_by_test_id("stSidebar").get_by_text("Running:").wait_for(state="detached")


def test_the_page_lists_them() -> None:
    """The same ten, in the same order."""
    listed = [cells[0] for cells in rows(section("docs/dashboard.md", "Ten questions"))]
    assert listed == list(QUESTIONS)
    assert len(listed) == 10
