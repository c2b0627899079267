"""Snapshots in a real browser: their history, one by its permalink, two side by side, one on paper."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import Dashboard
from tests.processes import OTHER_USER, USER, Home

pytestmark = pytest.mark.browser

OFFLINE = {"SECONDLOOK_AGENT": "offline"}


@pytest.fixture
def pair(home: Home) -> tuple[str, str]:
    """Two snapshots of the sample, by two models; an estimate has moved from one band to another."""
    home.set(**OFFLINE)
    first = home.snapshot().fields["snapshot_id"]
    home.store(
        "update estimate_buckets set price_band_lt_500 = price_band_lt_500 + 1, "
        "price_band_5000_plus = price_band_5000_plus - 1 where source_id = ?",
        home.sample.source_id,
    )
    home.set(SECONDLOOK_MODEL="gpt-5")
    second = home.snapshot("--regenerate").fields["snapshot_id"]
    home.store("update snapshots set generated_at = '2026-01-01T00:00:00Z' where id = ?", first)
    home.store(
        "update snapshots set result = json_set(result, '$.meta.generated_at', generated_at) where id = ?",
        first,
    )
    return first, second


def open_snapshots(tab: Dashboard, query: str = "") -> None:
    """Go to the page and wait until it is drawn."""
    tab.page.goto(f"{tab.url}/snapshots?{query}")
    tab.page.get_by_role("heading", name="Snapshots", exact=True).wait_for()


def test_from_the_history_to_a_comparison(pair: tuple[str, str], dashboard: Dashboard) -> None:
    """Two are ticked and compared: the older first, what moved in counts and points, what differs."""
    open_snapshots(dashboard)
    dashboard.see("2 snapshots")
    dashboard.choose_row(1)
    expect(dashboard.page.get_by_role("button", name="Open snapshot")).to_be_enabled()
    dashboard.choose_row(2)
    dashboard.page.get_by_role("button", name="Compare selected").click()
    dashboard.see("The models differ: first gpt-4o-2024-08-06, then gpt-5.")
    dashboard.see("The same estimates may count in both")
    assert f"compare={','.join(pair)}" in dashboard.page.evaluate("decodeURIComponent(location.search)")
    count = dashboard.home.sample.buckets["price_band_lt_500"]
    whole = dashboard.home.sample.answer["meta"]["estimate_count"]
    row = dashboard.page.get_by_role("row", name="<500").first
    expect(row).to_contain_text(f"{count} ({count / whole:.1%})")
    expect(row).to_contain_text(f"{count + 1} ({(count + 1) / whole:.1%})")
    expect(row).to_contain_text(f"+{100 / whole:.1f}")
    for words in ("Weekly volume of both", "Price bands of both", "Decision latency of both"):
        expect(dashboard.page.locator(f'[aria-label^="{words}"]')).to_have_count(1)
    dashboard.page.get_by_role("button", name="Swap").click()
    dashboard.see("The models differ: first gpt-5, then gpt-4o-2024-08-06.")
    expect(dashboard.page.get_by_role("row", name="<500").first).to_contain_text(f"-{100 / whole:.1f}")


def test_one_by_its_permalink(pair: tuple[str, str], dashboard: Dashboard, tmp_path: Path) -> None:
    """From its source to itself: charts, JSON, report with the hash of that JSON, a chart as SVG, its run."""
    _, second = pair
    dashboard.open_sample()
    dashboard.page.get_by_role("link", name="Open snapshot page").click()
    dashboard.see("What the agent saw")
    assert f"snapshot={second}" in dashboard.page.evaluate("location.search")
    downloaded: list[Path] = []
    for name in ("Download JSON", "Download report", "Weekly volume"):
        if name == "Weekly volume":
            dashboard.page.get_by_role("button", name="Charts as SVG").click()
        with dashboard.page.expect_download() as download:
            dashboard.page.get_by_role("button", name=name, exact=True).click()
        downloaded.append(tmp_path / download.value.suggested_filename)
        download.value.save_as(downloaded[-1])
    saved, report, chart = downloaded
    result = json.loads(saved.read_text())
    assert result == json.loads(dashboard.home.snapshots()[1]["result"])
    canonical = json.dumps(result, sort_keys=True, separators=(",", ":"))
    assert hashlib.sha256(canonical.encode()).hexdigest() in report.read_text()
    assert chart.read_text().startswith("<svg")
    dashboard.page.keyboard.press("Escape")
    dashboard.page.get_by_role("button", name="Snapshots of this source").click()
    dashboard.see("2 snapshots")
    open_snapshots(dashboard, f"snapshot={second}")
    dashboard.page.get_by_role("link", name="Run details").click()
    dashboard.page.get_by_role("heading", name="Runs", exact=True).wait_for()
    assert f"run={second}" in dashboard.page.evaluate("location.search")


def test_another_snapshot_is_chosen_to_compare(pair: tuple[str, str], dashboard: Dashboard) -> None:
    """On a snapshot's own page, another of the same source comes first to be compared with."""
    first, second = pair
    open_snapshots(dashboard, f"snapshot={second}")
    dashboard.page.get_by_role("combobox", name="Compare with").click()
    dashboard.page.get_by_role("option").first.click()
    dashboard.see("The models differ")
    assert f"compare={first},{second}" in dashboard.page.evaluate("decodeURIComponent(location.search)")


def test_anothers_are_not_found(pair: tuple[str, str], dashboard: Dashboard) -> None:
    """Another user's, an unknown and a malformed id give the same words, alone or in a pair."""
    first, second = pair
    said: set[str] = set()
    for user, query in (
        (OTHER_USER, f"snapshot={second}"),
        (USER, f"snapshot={uuid4()}"),
        (USER, "snapshot=nonsense"),
        (OTHER_USER, f"compare={first},{second}"),
        (USER, f"compare={first},{uuid4()}"),
        (USER, f"compare={first}"),
    ):
        open_snapshots(dashboard, f"user={user}&{query}")
        alert = dashboard.page.get_by_test_id("stAlert").filter(has_text="Invalid")
        said.add(alert.inner_text())
    (words,) = said
    assert "Invalid snapshot_id: not found" in words
    open_snapshots(dashboard, f"user={OTHER_USER}")
    dashboard.see("There are no snapshots yet")


EVIL = "![x](http://evil.example/x.png) [y](http://evil.example) <img src=http://evil.example/z.png>"


def test_what_another_program_stored(pair: tuple[str, str], dashboard: Dashboard) -> None:
    """A result of other bands and weeks is shown letter by letter; one too large to draw is not drawn."""
    first, second = pair
    home = dashboard.home
    result = json.loads(home.snapshots()[1]["result"])
    result["demand"]["price_distribution"][0]["band"] = EVIL
    result["demand"]["weekly_volume"][0]["week"] = EVIL
    home.store("update snapshots set result = ? where id = ?", json.dumps(result), second)
    open_snapshots(dashboard, f"snapshot={second}")
    dashboard.see("Not validated: ")  # the run is known, and its snapshot was changed
    for numbers in range(2):
        dashboard.page.get_by_text("Numbers").nth(numbers).click()
    dashboard.page.get_by_role("cell", name="![x]").first.wait_for()
    open_snapshots(dashboard, f"compare={first},{second}")
    dashboard.page.get_by_role("cell", name="![x]").first.wait_for()
    expect(dashboard.page.locator('[data-testid="stMain"] a[href*="evil"]')).to_have_count(0)
    expect(dashboard.page.locator('[data-testid="stMain"] img[src*="evil"]')).to_have_count(0)
    result["demand"]["weekly_volume"][0]["count"] = 10**30
    home.store("update snapshots set result = ? where id = ?", json.dumps(result), second)
    open_snapshots(dashboard, f"snapshot={second}")
    dashboard.see("too large to draw")
    open_snapshots(dashboard, f"compare={first},{second}")
    dashboard.see("too large to draw")
