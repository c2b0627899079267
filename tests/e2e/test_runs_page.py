"""Run details, in a real browser: found, opened, read, marked and exported by keyboard alone."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import Dashboard, assert_accessible_in_both_schemes
from tests.processes import OTHER_USER, Home
from tests.provider import Json, answering, completion, refusing, replying

pytestmark = pytest.mark.browser


def open_runs(tab: Dashboard, query: str = "") -> None:
    """Go to the page and wait until it is drawn."""
    tab.page.goto(f"{tab.url}/runs?{query}")
    tab.page.get_by_role("heading", name="Runs", exact=True).wait_for()
    tab.settle()


def wrong_answer(home: Home) -> Json:
    """The sample's answer with one count too high."""
    answer = json.loads(json.dumps(home.sample.answer))
    answer["demand"]["price_distribution"][1]["count"] += 1
    return answer


def refused_run(home: Home) -> Json:
    """A run whose answer was refused for one count, as the ledger has it."""
    home.provider.behaviour = answering(wrong_answer(home))
    assert home.snapshot().error["code"] == "answer_rejected"
    return home.runs()[-1]


def focused(tab: Dashboard) -> str:
    """What has the focus, by its role's text."""
    return tab.page.evaluate(
        "(() => { const on = document.activeElement;"
        " const label = on.labels && on.labels[0] ? on.labels[0].innerText : on.getAttribute('aria-label');"
        " return [label, on.innerText || on.value, on.tagName].join('|') })()"
    )


def tab_to(tab: Dashboard, text: str) -> None:
    """Press Tab until something of that text has the focus, and see that it can be seen."""
    for _ in range(80):
        tab.page.keyboard.press("Tab")
        found = focused(tab)
        if text in found and not found.endswith(("MAIN", "BODY")):
            return
    raise AssertionError(f"no way to {text} by keyboard")


def test_by_keyboard_alone(dashboard: Dashboard) -> None:
    """Find the failed runs of today, open one, read why, mark it, export it: without a mouse."""
    home = dashboard.home
    assert home.snapshot().code == 0
    home.provider.behaviour = answering(wrong_answer(home))
    home.snapshot("--regenerate")
    run = home.runs()[-1]
    keys = dashboard.page.keyboard
    open_runs(dashboard)
    dashboard.see("2 runs")
    tab_to(dashboard, "Failures only")
    keys.press("Space")
    dashboard.see("1 run.")
    tab_to(dashboard, "Today")
    keys.press("Space")
    dashboard.page.wait_for_url("**since=*")
    dashboard.settle()
    tab_to(dashboard, "CANVAS")
    keys.press("ArrowDown")
    keys.press("Shift+Space")
    dashboard.page.wait_for_url(f"**run={run['run_id']}*")

    # Read why: the rule, its path, and the value that leads the table.
    path = "demand.price_distribution[1].count"
    dashboard.see("11 of 14 rules passed")
    line = dashboard.page.get_by_text("failed: mismatch at").first
    line.wait_for()
    assert path in line.inner_text()
    dashboard.see("1 value does not match")
    right = home.sample.answer["demand"]["price_distribution"][1]["count"]
    table = dashboard.page.get_by_test_id("stDataFrame").first
    cells = table.locator("tr").nth(1).locator("td")
    expect(cells.filter(has_text=path)).to_be_attached()
    assert cells.all_text_contents()[-3:] == [str(right), str(right + 1), path]

    tab_to(dashboard, "Pass")
    keys.press("ArrowRight")
    keys.press("Tab")
    keys.type("One price band is off by one")
    tab_to(dashboard, "Save review")
    keys.press("Enter")
    dashboard.see("Review saved: Fail")
    dashboard.see("Failed by Sample user 1")

    dashboard.page.get_by_role("heading", name="Runs", exact=True).wait_for()
    dashboard.settle()
    tab_to(dashboard, "Export JSON")
    with dashboard.page.expect_download() as download:
        keys.press("Enter")
    saved = json.loads(download.value.path().read_text())
    assert (saved["run_id"], saved["verdict"], saved["error"]["path"]) == (run["run_id"], "refused", path)
    assert [(each["path"], each["sent"], each["came"]) for each in saved["differences"]] == [
        (path, str(right), str(right + 1))
    ]
    assert saved["answer"] == home.calls()[-1]["body"]
    assert [(each["passed"], each["note"]) for each in saved["reviews"]] == [
        (False, "One price band is off by one")
    ]
    shown_by_command = home.call("runs", "show", run["run_id"]).fields
    assert shown_by_command == saved


def test_filters_pages_and_export(dashboard: Dashboard) -> None:
    """The URL holds every filter; what is exported is what matches; formulas are neutralised."""
    home = dashboard.home
    home.provider.behaviour = refusing(400, "=HYPERLINK(1)")
    for _ in range(3):
        home.snapshot()
    home.provider.behaviour = answering(home.sample.answer)
    assert home.snapshot().code == 0
    home.ledger("update runs set model = '=cmd()' where number = 1")
    open_runs(dashboard)
    dashboard.see("4 runs")
    dashboard.page.get_by_label("Verdict").click()
    dashboard.page.get_by_role("option", name="accepted").click()
    dashboard.see("1 run.")
    assert "verdict=accepted" in dashboard.page.url
    dashboard.page.reload()
    dashboard.see("1 run.")
    dashboard.page.get_by_role("button", name="Clear filters").click()
    dashboard.see("4 runs")
    open_runs(dashboard, "code=provider_error")
    dashboard.see("3 runs")
    with dashboard.page.expect_download() as download:
        dashboard.page.get_by_role("button", name="CSV", exact=True).click()
    with download.value.path().open(newline="", encoding="utf-8-sig") as file:
        lines = list(csv.DictReader(file))
    assert [line["error_code"] for line in lines] == ["provider_error"] * 3
    assert lines[-1]["model_asked"] == "'=cmd()"
    assert {line["cost_usd"] for line in lines} == {""}
    open_runs(dashboard, "status=nonsense&since=2026-02-30&page=0&model=%00")
    for words in ("status must be one of", "since must be a day", "page must be", "model must be"):
        dashboard.see(words)
    dashboard.see("4 runs")


def test_ids_that_lead_nowhere(dashboard: Dashboard) -> None:
    """An unknown and a malformed id show the same."""
    shown: set[str] = set()
    for run_id in ("00000000-0000-4000-8000-00000000ffff", "nonsense", "1' or '1'='1"):
        open_runs(dashboard, f"run={run_id}")
        dashboard.see("Invalid run_id: not found")
        shown.add(dashboard.page.get_by_test_id("stMain").inner_text())
    assert len(shown) == 1


HOSTILE = {
    "markup": "<script>document.title='taken'</script>![x](http://evil.example/x.png) [y](http://evil.example)",
    "control characters": "bell\x07 escape\x1b[31m null\x00 turned\u202e",
    "five megabytes": '{"demand": "' + "x" * 5_000_000 + '"}',
    "deep": "[" * 3000 + "]" * 3000,
    "a million values": json.dumps({"demand": list(range(700_000))}),
}


@pytest.mark.parametrize("text", list(HOSTILE.values()), ids=list(HOSTILE))
def test_any_answer_is_shown_safely(dashboard: Dashboard, text: str) -> None:
    """Letter by letter, and in part where it is long; nothing of it runs or is fetched."""
    home = dashboard.home
    home.provider.behaviour = replying(json.dumps(completion(text)))
    home.snapshot()
    open_runs(dashboard, f"run={home.runs()[0]['run_id']}")
    dashboard.see("Answer rejected")
    dashboard.page.get_by_text("Text of the answer:").click()
    code = dashboard.page.locator('[data-testid="stCode"]').last
    code.wait_for()
    shown = code.inner_text()
    assert len(shown) <= 200_100
    assert shown[:4] == text[:4]
    if len(text) > 200_000:
        dashboard.see("The first 200,000 characters")
    if "\x1b" in text:
        assert shown.strip() == "bell\\u{7} escape\\u{1b}[31m null\\u{0} turned\\u{202e}"
    expect(dashboard.page.locator('[data-testid="stMain"] a[href*="evil"]')).to_have_count(0)
    assert dashboard.page.title() != "taken"


def test_source_and_snapshot_are_gone(dashboard: Dashboard) -> None:
    """A run outlives its source and its snapshot: the page says that they are gone, and shows the run."""
    home = dashboard.home
    assert home.snapshot().code == 0
    run_id = home.runs()[0]["run_id"]
    open_runs(dashboard, f"run={run_id}")
    dashboard.page.get_by_test_id("stMain").get_by_role("link", name=home.sample.name).wait_for()
    for table in ("snapshots", "estimate_buckets", "estimates_normalized"):
        home.store(f"delete from {table} where source_id = ?", home.sample.source_id)  # noqa: S608 -- these three
    home.store("delete from sources where id = ?", home.sample.source_id)
    open_runs(dashboard, f"run={run_id}")
    dashboard.see("The source was deleted from the store")
    dashboard.see("The snapshot was deleted from the store")
    dashboard.see("14 of 14 rules passed")


def test_whose_runs(dashboard: Dashboard) -> None:
    """On the embedded store everybody sees everybody's runs, or one user's where the URL says so."""
    home = dashboard.home
    assert home.snapshot().code == 0
    open_runs(dashboard)
    dashboard.see("1 run.")
    open_runs(dashboard, f"user={OTHER_USER}")
    dashboard.see("No run matches")
    dashboard.page.get_by_text("This user only").click()
    dashboard.see("1 run.")


@pytest.mark.parametrize("width", [1440, 390])
def test_axe_finds_nothing(open_page: Callable[..., Dashboard], home: Home, width: int) -> None:
    """The list with all its filters, and a run with all its texts open, have no accessibility violation."""
    run = refused_run(home)
    tab = open_page(width)
    open_runs(tab, "failures=1")
    tab.page.get_by_text("More filters").click()
    tab.see("Model asked")
    assert_accessible_in_both_schemes(tab.page)
    open_runs(tab, f"run={run['run_id']}")
    for label in ("Request:", "Text of the answer:", "Whole body of the answer:"):
        tab.page.get_by_text(label).click()
        tab.settle()
    expect(tab.page.locator('[data-testid="stCode"]')).to_have_count(3)
    assert_accessible_in_both_schemes(tab.page)
