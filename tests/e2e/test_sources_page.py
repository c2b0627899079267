"""The main job in a real browser, against the served dashboard and an OpenAI-speaking server."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from secondlook.domain.untrusted_text import clean
from tests.e2e.conftest import Dashboard
from tests.processes import OTHER_USER, USER, eventually, rows
from tests.provider import answering, answering_after, answering_once, refusing, replying

pytestmark = pytest.mark.browser


@pytest.mark.walk
def test_choose_generate_read(dashboard: Dashboard) -> None:
    """A newcomer ticks a source, presses the button, and reads the JSON next to its usage."""
    dashboard.open("search=Acme")
    dashboard.choose_row(1)
    dashboard.page.get_by_role("heading", name=dashboard.home.sample.name).wait_for()
    assert f"source={dashboard.home.sample.source_id}" in dashboard.page.evaluate("location.href")
    dashboard.generate.click()
    dashboard.see("Download JSON")
    dashboard.see("values match the buckets")
    values = 2 * (len(dashboard.home.sample.answer["demand"]["weekly_volume"]) + 8) + 2
    for shown in (f"{values} of {values} values match the buckets", "444", "398", "842", "req_test", "128"):
        dashboard.page.get_by_text(shown, exact=True).first.wait_for()
    with dashboard.page.expect_download() as download:
        dashboard.page.get_by_role("button", name="Download JSON").click()
    saved = json.loads(download.value.path().read_text())
    assert saved == json.loads(dashboard.home.snapshots()[0]["result"])
    assert len(dashboard.home.provider.requests) == 1


def test_close_the_tab_and_come_back(dashboard: Dashboard, open_page: Callable[..., Dashboard]) -> None:
    """A run goes on without its page, and its URL shows it done."""
    release: list[bool] = []
    home = dashboard.home
    home.provider.behaviour = answering_once(lambda: bool(release), home.sample.answer)
    dashboard.open_sample()
    dashboard.generate.click()
    dashboard.see("Generating")
    url = dashboard.page.evaluate("location.href")
    dashboard.page.close()
    eventually(lambda: len(home.provider.requests) == 1)
    release.append(True)
    eventually(lambda: home.runs()[0]["status"] == "done")
    again = open_page()
    again.page.goto(url)
    again.see("values match the buckets")
    assert len(home.provider.requests) == 1
    assert len(home.snapshots()) == 1


def test_refresh_and_second_tab_join_the_run(
    dashboard: Dashboard, open_page: Callable[..., Dashboard]
) -> None:
    """Refreshing, another tab and pressing again neither lose nor double a run."""
    home = dashboard.home
    home.provider.behaviour = answering_after(2, home.sample.answer)
    second = open_page()
    second.open_sample()
    dashboard.open_sample()
    dashboard.generate.click()
    dashboard.see("Generating")
    second.generate.click(force=True)  # its page may not know yet that a run is active
    dashboard.page.reload()
    dashboard.see("Generating")
    expect(dashboard.generate).to_be_disabled()
    for tab in (dashboard, second):
        tab.see("values match the buckets")
    assert len(home.provider.requests) == 1
    assert len(home.runs()) == 1


def test_keyboard_shortcut(dashboard: Dashboard) -> None:
    """Ctrl+Enter generates."""
    dashboard.open_sample()
    dashboard.page.get_by_role("heading", name="Buckets").click()

    def pressed() -> bool:
        # A key that is pressed while the page is being drawn finds no button; twice is one run all the same.
        dashboard.settle()
        dashboard.page.keyboard.press("Control+Enter")
        dashboard.page.wait_for_timeout(500)
        return bool(dashboard.home.runs())

    eventually(pressed)
    dashboard.see("values match the buckets")


def test_generating_again_asks_first(dashboard: Dashboard) -> None:
    """A source with a snapshot has the button off until a person says so."""
    assert dashboard.home.snapshot().code == 0
    dashboard.open_sample()
    expect(dashboard.generate).to_be_disabled()
    dashboard.page.get_by_text("Regenerate").click()
    expect(dashboard.generate).to_be_enabled()
    dashboard.generate.click()
    eventually(lambda: len(dashboard.home.snapshots()) == 2)
    dashboard.see(dashboard.home.snapshots()[1]["id"])
    expect(dashboard.generate).to_be_disabled()  # each time anew


@pytest.mark.parametrize(
    "name",
    [
        *("www.evil.example", "see https://evil.example/x", "a@evil.example", ":smile:", "[x](y) *z*"),
        *(":+1: a -> b -- c <-> d <= e >= f ~= g", "@-> h :100: :material_x: :streamlit:"),
        *("<script>alert(1)</script>", "=HYPERLINK(1)", "![x](http://evil.example/x.png)"),
        *("a" * 10_000, "bell\x07 and\x1b[31m red"),
    ],
    ids=lambda name: ascii(name)[:20],
)
def test_names_are_plain_text(dashboard: Dashboard, name: str) -> None:
    """Whatever a name looks like, it is shown and copied letter by letter, and is no link."""
    source, home = dashboard.home.sample.source_id, dashboard.home
    home.store("update sources set source_name = ?, source_type = ? where id = ?", name, name, source)
    dashboard.open(f"source={source}")
    heading = dashboard.page.get_by_role("heading", level=2).first
    heading.wait_for()
    badge = dashboard.page.locator('[data-testid="stMain"] .stMarkdownBadge').first
    for shown in (heading, badge):
        text = (shown.text_content() or "").strip()
        assert text == clean(name) if len(name) < 100 else text[:20] == name[:20]
    assert len(heading.inner_text()) <= 120
    expect(dashboard.page.locator('[data-testid="stMain"] a[href*="evil"]')).to_have_count(0)


@pytest.mark.parametrize(
    ("behaviour", "message", "hint"),
    [
        pytest.param(
            refusing(400, "![x](http://evil.example/x.png) <b>bold</b> $x$"),
            "![x](http://evil.example/x.png) <b>bold</b> $x$",
            "then try again",
            id="hostile-provider-message",
        ),
        pytest.param(
            replying("<html>login</html>"), "Answer rejected (not_completion)", "kept for QA", id="html"
        ),
    ],
)
def test_errors_say_what_to_do(
    dashboard: Dashboard, behaviour: Callable[..., None], message: str, hint: str
) -> None:
    """A failed run shows its message letter by letter and what to do; nothing is stored."""
    dashboard.home.provider.behaviour = behaviour
    dashboard.open_sample()
    dashboard.generate.click()
    dashboard.see(message)
    dashboard.see(hint)
    assert dashboard.home.snapshots() == []
    expect(dashboard.generate).to_be_enabled()


def test_in_doubt_is_resolved_by_a_person(dashboard: Dashboard) -> None:
    """A run with an unknown outcome is sent again only after a person confirms that it may be paid twice."""
    home = dashboard.home
    home.provider.behaviour = refusing(504, "Gateway time-out")
    dashboard.open_sample()
    dashboard.generate.click()
    dashboard.see("has not confirmed whether it processed this request")
    expect(dashboard.generate).to_be_disabled()
    again = dashboard.page.get_by_role("button", name="Retry")
    expect(again).to_be_disabled()
    home.provider.behaviour = answering(home.sample.answer)
    dashboard.page.get_by_text("I accept that I may be charged twice").click()
    again.click()
    dashboard.see("values match the buckets")
    assert len(home.provider.requests) == 2


def test_in_doubt_can_be_canceled(dashboard: Dashboard) -> None:
    """A run with an unknown outcome can be canceled; then the source can be run again."""
    dashboard.home.provider.behaviour = refusing(504, "Gateway time-out")
    dashboard.open_sample()
    dashboard.generate.click()
    dashboard.page.get_by_role("button", name="Cancel run").click()
    expect(dashboard.generate).to_be_enabled()
    assert dashboard.home.runs()[0]["status"] == "cancelled"


def test_numbers_as_a_table(dashboard: Dashboard) -> None:
    """Each chart has its text alternative and its numbers, gaps as zero."""
    dashboard.open_sample()
    dashboard.page.get_by_text("Numbers", exact=True).first.click()
    week = dashboard.home.sample.answer["demand"]["weekly_volume"][0]["week"]
    dashboard.page.get_by_role("cell", name=week).wait_for()
    assert dashboard.page.get_by_role("row").count() > len(
        dashboard.home.sample.answer["demand"]["weekly_volume"]
    )
    for words in ("Weekly volume from", "Price bands:", "Decision latency:"):
        expect(dashboard.page.locator(f'[aria-label^="{words}"]')).to_have_count(1)


def test_another_users_source(dashboard: Dashboard) -> None:
    """Another user's source is not found, in the same words as no source at all."""
    anothers = rows(
        dashboard.home.data / "store.db", "select id from sources where user_id = ? limit 1", OTHER_USER
    )[0]["id"]
    for source in (anothers, "00000000-0000-4000-8000-00000000ffff", "nonsense"):
        dashboard.open(f"source={source}")
        dashboard.see("Invalid source_id: not found")


def test_search_filter_and_pages(dashboard: Dashboard) -> None:
    """The list is searched, filtered and paged by the store; the URL holds all of it."""
    dashboard.open()
    dashboard.see("46 sources")
    dashboard.page.get_by_role("button", name="Page 2").click()
    dashboard.settle()
    search = dashboard.page.get_by_label("Search", exact=True)
    search.fill("sAmple:")
    search.press("Enter")
    dashboard.see("3 sources")
    dashboard.page.reload()
    dashboard.see("3 sources")
    dashboard.open("search=no%20such%20source")
    dashboard.see("No source matches")
    dashboard.open("page=99&status=nonsense&sort=nonsense")
    dashboard.see("46 sources")
    dashboard.choose_row(1)
    dashboard.page.get_by_role("heading", level=2).first.wait_for()


def test_a_source_that_cannot_be_run(dashboard: Dashboard) -> None:
    """The page says why there is no run, and still shows the buckets that can be read."""
    source = next(
        row["id"]
        for row in dashboard.home.store("select id, status, source_name from sources")
        if row["status"] == "ingested"
    )
    dashboard.open(f"source={source}")
    dashboard.see("Source must be bucketed before snapshot generation (current status: ingested)")
    expect(dashboard.generate).to_be_disabled()
    dashboard.see("Weekly volume")
    dashboard.see("weekly volume covers 33 of 35 estimates")


def test_ten_thousand_sources(dashboard: Dashboard) -> None:
    """A list of 10,000 sources opens, searches and pages like a short one."""
    home = dashboard.home
    home.store(
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < 10000) "
        "insert into sources select printf('%08x-0000-4000-8000-000000000000', i), ?, 'csv', "
        "printf('Bulk %05d', i), '2026-01-05T08:00:00Z', 'bucketed' from n",
        USER,
    )
    home.store(
        "insert into estimate_buckets select 'b' || s.id, s.id, price_band_lt_500, price_band_500_1500, "
        "price_band_1500_5000, price_band_5000_plus, latency_band_0_2, latency_band_3_7, latency_band_8_21, "
        "latency_band_22_plus, weekly_volume, b.created_at from sources s join estimate_buckets b "
        "on b.source_id = ? where s.source_name like 'Bulk %'",
        home.sample.source_id,
    )
    dashboard.open()
    dashboard.see("10,046 sources")
    dashboard.open("page=1005")
    dashboard.choose_row(1)
    dashboard.page.get_by_role("heading", level=2).first.wait_for()
    dashboard.open("search=Bulk 09999")
    dashboard.see("1 source")
