"""How every page looks: both themes, a screen and a phone, looked at by the rules that a machine can hold.

Pictures go to the test's folder, or where PICTURES names one: `make pictures` renews those of docs/.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe  # pyright: ignore[reportMissingTypeStubs]
from PIL import Image
from playwright.sync_api import ConsoleMessage, Locator, Page, expect

from secondlook.views.snapshot import view_snapshot
from tests.e2e.conftest import Dashboard, NewPage, assert_accessible, in_both_schemes, settle
from tests.e2e.demo import Demo
from tests.examples import bucket_row, example_input, many_weeks, some
from tests.processes import OTHER_USER, Home
from tests.provider import Json, answering_once
from tests.views.test_report import report_of, run_of, snapshot

pytestmark = pytest.mark.browser

SCREEN, PHONE = (1440, 1000), (390, 844)
TEXTS = ("Request:", "Text of the answer:", "Whole body of the answer:")
MOST_PIXELS = 5000


@dataclass(frozen=True)
class Shown:
    """A page, and what tells that it has been drawn."""

    name: str
    path: str
    words: str
    clicks: tuple[str, ...] = ()
    """Texts that are clicked one after the other."""


def pages(demo: Demo) -> list[Shown]:
    """Every page with something on it."""
    return [
        Shown("sources", "", "Or select a source"),
        Shown("source", f"?source={demo.source}", "values match the buckets"),
        Shown("import", "import", "Download a file to start from"),
        Shown("snapshots", "snapshots", "11 snapshots"),
        Shown("snapshot", f"snapshots?snapshot={demo.second}", "What the agent saw"),
        Shown("comparison", f"snapshots?compare={demo.first},{demo.second}", "Largest latency change"),
        Shown("runs", "runs", "13 runs"),
        Shown("run", f"runs?run={demo.second}", "Exact request and answer"),
        Shown("run-refused", f"runs?run={demo.refused}", "Exact request and answer"),
        Shown("runs-filters", "runs?failures=1", "Failures only", ("More filters",)),
        Shown("run-texts", f"runs?run={demo.refused}", "Exact request and answer", TEXTS),
        Shown("usage", "usage", "All calls as CSV"),
        Shown("usage-wrong", "usage?by=status&since=nonsense", "since must be a day"),
        Shown("batch", "batch", "Sending is on"),
        Shown("rehearsal", f"rehearsal?run={demo.refused}", "Result"),
    ]


def nothing_there(_demo: Demo) -> list[Shown]:
    """Pages with nothing on them: each says what to do next."""
    other = f"?user={OTHER_USER}"
    return [
        Shown("sources-none", "?search=zzz", "No source matches"),
        Shown("snapshots-none", f"snapshots{other}", "There are no snapshots yet"),
        Shown("runs-none", f"runs{other}", "No run matches"),
        Shown("usage-none", "usage?since=2020-01-01&until=2020-01-02", "There were no runs or calls"),
        Shown("no-such-source", "?source=nonsense", "Invalid source_id: not found"),
    ]


@dataclass
class Looked:
    """A tab that notes what it should not have seen."""

    demo: Demo
    page: Page
    external: list[str] = field(default_factory=list[str])
    said: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        self.page.emulate_media(reduced_motion="reduce")
        self.page.on("request", lambda request: self._note_request(request.url))
        self.page.on("console", self._note_message)
        self.page.on("pageerror", lambda error: self.said.append(str(error)))

    def open(self, shown: Shown) -> None:
        """Go to a page and wait until all of it is drawn and stands still."""
        self.page.goto(f"{self.demo.url}/{shown.path}")
        self.page.get_by_text(shown.words).first.wait_for()
        settle(self.page)
        for text in shown.clicks:
            self.page.get_by_text(text).click()
            settle(self.page)

    def _note_request(self, url: str) -> None:
        here = (self.demo.url, self.demo.url.replace("http", "ws", 1), "data:", "blob:", "about:")
        if not url.startswith(here):
            self.external.append(url)

    def _note_message(self, message: ConsoleMessage) -> None:
        # Streamlit's page looks for its server below its own path first, and then beside it.
        looked_for = re.search(r"/\w+/_stcore/(health|host-config)$", message.location["url"])
        if message.type == "error" and not looked_for:
            self.said.append(message.text)


def picture(page: Page, path: Path) -> None:
    """All of a page, in few colors."""
    size = some(page.viewport_size)
    height = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
    page.set_viewport_size({"width": size["width"], "height": min(max(height, size["height"]), MOST_PIXELS)})
    settle(page)
    taken = Image.open(io.BytesIO(page.screenshot(animations="disabled")))
    taken.convert("RGB").quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)
    page.set_viewport_size(size)


HEADINGS = "[...document.querySelectorAll('h1, h2, h3, h4, h5, h6')].map(each => Number(each.tagName[1]))"
WIDER = """() => [document.documentElement, document.querySelector('[data-testid=stMain]')]
  .filter(each => each.scrollWidth > each.clientWidth).map(each => each.tagName)"""


def look(tab: Looked, shown: Shown, *, phone: bool) -> None:
    """What holds on every page."""
    page = tab.page
    assert_accessible(page)
    levels: list[int] = page.evaluate(HEADINGS)
    assert levels.count(1) == 1, (shown.name, levels)
    assert levels[0] == 1, (shown.name, levels)
    assert all(after <= before + 1 for before, after in pairwise(levels)), (
        shown.name,
        levels,
    )
    assert page.evaluate(WIDER) == [], shown.name
    assert page.get_by_test_id("stMain").locator('[data-testid="stBaseButton-primary"]:enabled').count() <= 1
    if phone:
        # A day's parts lie in one field, which opens a calendar wherever it is tapped.
        where = {"include": ["[data-testid=stApp]"], "exclude": ["[role=spinbutton]"]}
        small = Axe().run(page, where, {"runOnly": ["target-size"]})  # pyright: ignore[reportUnknownMemberType] -- it has no types
        assert small.violations_count == 0, small.generate_report()
    assert tab.external == [], shown.name
    assert tab.said == [], shown.name


@pytest.mark.parametrize("size", [SCREEN, PHONE], ids=["screen", "phone"])
def test_every_page(demo: Demo, new_page: NewPage, tmp_path: Path, size: tuple[int, int]) -> None:
    """Axe finds nothing; one h1, headings in order; nothing is too wide, hard to tap, fetched or logged."""
    folder = Path(os.environ.get("PICTURES", tmp_path))
    width, height = size
    tab = Looked(demo, new_page())
    tab.page.set_viewport_size({"width": width, "height": height})
    for shown in pages(demo) + nothing_there(demo):
        tab.open(shown)
        for scheme in in_both_schemes(tab.page):
            look(tab, shown, phone=size == PHONE)
            picture(tab.page, folder / f"{shown.name}-{scheme}-{width}.png")


def test_empty_pages_lead_on(demo: Demo, new_page: NewPage) -> None:
    """Where there is nothing, a link or a button leads to where there is something."""
    page = new_page()
    tab = Looked(demo, page)
    lead: dict[str, Callable[[], Locator]] = {
        "sources-none": lambda: page.get_by_role("button", name="Show all sources"),
        "snapshots-none": lambda: page.get_by_role("link", name="Choose a source"),
        "runs-none": lambda: page.get_by_role("button", name="Clear filters"),
        "usage-none": lambda: page.get_by_role("link", name="Choose a source"),
        "no-such-source": lambda: page.get_by_role("button", name="Back to the list"),
    }
    for shown in nothing_there(demo):
        tab.open(shown)
        lead[shown.name]().click()
        words = "13 runs" if shown.name == "runs-none" else "sources"
        page.get_by_text(re.compile(rf"^\d* ?{words}")).first.wait_for()
        expect(page.get_by_text(shown.words)).to_have_count(0)


# -- figures --------------------------------------------------------------------------------------------

WIDTHS = """() => {
  const families = new Set([...document.querySelectorAll(
    '[data-testid=stMetricValue], [data-testid=stTable] td, [data-testid=stMarkdown] p, svg text')]
    .map(each => getComputedStyle(each)).map(style => `${style.fontWeight} 100px ${style.fontFamily}`));
  const pen = document.createElement('canvas').getContext('2d');
  return [...families].map(font => {
    pen.font = font;
    return [font, new Set([...'0123456789'].map(digit => pen.measureText(digit.repeat(20)).width)).size];
  });
}"""


def test_figures_are_aligned(demo: Demo, new_page: NewPage) -> None:
    """In metrics, tables, text and charts, whatever they are written in: all digits are as wide."""
    tab = Looked(demo, new_page())
    tab.open(pages(demo)[1])
    widths: list[list[Any]] = tab.page.evaluate(WIDTHS)
    assert any("Source Sans" in font for font, _ in widths)
    assert [font for font, kinds in widths if kinds != 1] == []


# -- nothing jumps --------------------------------------------------------------------------------------

WATCH = """() => {
  window.moved = 0;
  window.what = [];
  new PerformanceObserver(list => {
    for (const entry of list.getEntries()) {
      if (entry.hadRecentInput) continue;
      window.moved += entry.value;
      window.what.push([entry.value, ...entry.sources.map(
        each => [each.node?.textContent?.slice(0, 60), each.previousRect.y, each.currentRect.y])]);
    }
  }).observe({type: 'layout-shift'});
}"""


def _one_too_many(home: Home) -> Json:
    answer: Json = {**home.sample.answer, "demand": {**home.sample.answer["demand"]}}
    first, *rest = answer["demand"]["weekly_volume"]
    answer["demand"]["weekly_volume"] = [{**first, "count": first["count"] + 1}, *rest]
    return answer


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("accepted", [True, False], ids=["done", "refused"])
def test_nothing_jumps_when_a_run_ends(
    open_page: Callable[..., Dashboard], *, width: int, accepted: bool
) -> None:
    """From queued to its end: what is looked at stays where it is, the button too."""
    tab = open_page(width)
    home, page = tab.home, tab.page
    answer = home.sample.answer if accepted else _one_too_many(home)
    release: list[bool] = []
    home.provider.behaviour = answering_once(lambda: bool(release), answer)
    tab.open_sample()
    settle(page)
    tab.generate.click()
    tab.see("Generating")
    settle_live(page)
    tab.generate.evaluate("each => each.scrollIntoView({block: 'start'})")
    before = tab.generate.bounding_box()
    page.evaluate(WATCH)
    release.append(True)
    tab.see("values match the buckets" if accepted else "Answer rejected (mismatch)")
    settle(page)
    moved = page.evaluate("new Promise(done => setTimeout(() => done(window.moved), 100))")
    after = tab.generate.bounding_box()
    assert before is not None
    assert after is not None
    assert [after[side] for side in ("x", "y")] == pytest.approx([before[side] for side in ("x", "y")], abs=1)
    assert moved < 0.05, page.evaluate("window.what")


def settle_live(page: Page) -> None:
    """Wait until a run is shown while it goes on: the place of its result is there."""
    page.get_by_text("Usage appears here").wait_for()
    expect(page.locator("[data-testid=stVegaLiteChart] svg")).to_have_count(3)


# -- paper ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weeks", [12, 160])
def test_the_report_is_one_page(new_page: NewPage, tmp_path: Path, weeks: int) -> None:
    """On each paper, whatever the source holds; nothing is fetched, and nothing is wider than a phone."""
    given = example_input(bucket_row(weekly_volume=many_weeks(weeks, 12)), 2000)
    path = tmp_path / "report.html"
    path.write_text(
        report_of(view_snapshot(snapshot(given), "A very long name of a source " * 10, run_of(given))),
        "utf-8",
    )
    page = new_page(PHONE[0])
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    assert_accessible(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for pdf in (page.pdf(prefer_css_page_size=True), page.pdf(format="A4"), page.pdf(format="Letter")):
        assert len(re.findall(rb"/Type\s*/Page\b", pdf)) == 1
    assert asked == [path.as_uri()]
