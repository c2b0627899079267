"""The page Import: a file is dropped, a column is chosen, every row has a fate, and a source can be run."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Dashboard, settle
from tests.processes import USER
from tests.tables import EmbeddedTables

pytestmark = pytest.mark.browser

CANARY = "Zebulon Canary"
HEADER = "Quote #,created_at,Day it ended,amount,status,job_type"


def written(folder: Path) -> Path:
    """An export of 60 estimates, with rows that are left out, refused and repeated."""
    rows = [
        f"{CANARY} {index},2026-03-{day:02d},2026-04-{day:02d},${700 + index}.00,won,{CANARY} work"
        for index in range(60)
        for day in [index % 27 + 1]
    ]
    odd = [
        f"{CANARY} open,2026-03-01,2026-03-02,100,Unsold,",
        f"=cmd|' /C calc'!A0,soon,2026-03-02,100,won,{CANARY}",
        f"{CANARY} 0,2026-03-01,2026-03-02,100,won,",
    ]
    path = folder / "Own estimates.csv"
    path.write_text("\n".join([HEADER, *rows, *odd]), encoding="utf-8")
    return path


def drop(page: Page, path: Path) -> None:
    """Drop a file, and choose the column that the page cannot find."""
    page.locator("input[type=file]").set_input_files(path)
    expect(page.get_by_text("Choose the column for")).to_be_visible()
    page.get_by_role("combobox", name="Closed").click()
    page.get_by_role("option", name="Day it ended", exact=True).click()
    expect(page.get_by_role("heading", name="What becomes of each row")).to_be_visible()
    expect(page.get_by_role("heading", name="What stands out")).to_be_visible()
    settle(page)


def test_the_walk(own_dashboard: Dashboard, tmp_path: Path) -> None:
    """From a file to its snapshot, again, and away; no byte of a row is anywhere but in the store."""
    page, home = own_dashboard.page, own_dashboard.home
    addresses: list[str] = []
    page.on("request", lambda request: addresses.append(request.url))
    own_dashboard.open()
    page.get_by_role("link", name="Add estimates").click()
    drop(page, written(tmp_path))
    tables = EmbeddedTables(home.data / "store.db")
    assert tables.count("estimates_normalized") == 0
    button = page.get_by_role("button", name="Import 60 estimates")
    expect(button).to_be_disabled()
    page.get_by_text("Import without the 1 refused rows").click()
    expect(button).to_be_enabled()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download refused rows").click()
    refused = download.value.path().read_text(encoding="utf-8-sig")
    assert refused.splitlines() == ["line,column,reason,value", "63,created_at,not a date,soon"]
    button.click()
    expect(
        page.get_by_text("Imported: Own estimates has 60 estimates (60 added, 0 changed).")
    ).to_be_visible()
    assert tables.count("estimates_normalized") == 60

    drop(page, written(tmp_path))
    expect(page.get_by_text("A source of this name was imported before.")).to_be_visible()
    page.get_by_text("Import without the 1 refused rows").click()
    page.get_by_role("button", name="Update with 60 estimates").click()
    expect(page.get_by_text("Nothing has changed: Own estimates")).to_be_visible()

    home.provider.behaviour = lambda exchange: exchange.reset()
    page.get_by_role("link", name="Open the source").click()
    own_dashboard.generate.click()
    expect(page.get_by_text("OpenAI has not confirmed")).to_be_visible(timeout=20_000)
    page.get_by_text("Delete source", exact=True).click()
    page.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_text("The source has a run that has not ended")).to_be_visible()
    assert home.call("cancel", home.runs()[0]["run_id"]).code == 0
    page.reload()
    page.get_by_text("Delete source", exact=True).click()
    page.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_text("Deleted: Own estimates")).to_be_visible()
    assert tables.count("estimates_normalized") == 0
    assert tables.run("select * from sources where source_name = 'Own estimates'") == []

    process = home.started[0]
    process.send_signal(signal.SIGTERM)
    logged = "".join(process.communicate(timeout=30))
    ledger = b"".join(path.read_bytes() for path in home.data.iterdir() if path.name.startswith("ledger"))
    sent = repr([request.raw for request in home.provider.requests])
    for hidden in ("Zebulon", "Canary"):
        assert hidden not in logged + sent
        assert hidden.encode() not in ledger
        assert not any(hidden in address for address in addresses)


def test_another_user_sees_nothing_of_it(own_dashboard: Dashboard, tmp_path: Path) -> None:
    """Whoever is chosen next finds neither the file nor what was imported."""
    page = own_dashboard.page
    own_dashboard.open()
    page.get_by_role("link", name="Import").click()
    drop(page, written(tmp_path))
    page.get_by_text("Import without the 1 refused rows").click()
    page.get_by_role("button", name="Import 60 estimates").click()
    expect(page.get_by_text("Imported: Own estimates")).to_be_visible()
    page.get_by_role("combobox", name="User").click()
    page.get_by_role("option", name="Sample user 2").click()
    settle(page)
    expect(page.get_by_role("button", name="Download a file to start from")).to_be_visible()
    expect(page.get_by_text("Own estimates")).to_have_count(0)
    rows = EmbeddedTables(own_dashboard.home.data / "store.db").run(
        "select user_id from sources where source_name = 'Own estimates'"
    )
    assert rows == [(USER,)]


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n\0\0", b"one\n1\n", b"\xff\xfe"])
def test_what_is_no_file_of_estimates(own_dashboard: Dashboard, tmp_path: Path, content: bytes) -> None:
    """It is said what is wrong, and nothing can be stored."""
    page = own_dashboard.page
    path = tmp_path / "picture.csv"
    path.write_bytes(content)
    own_dashboard.open()
    page.get_by_role("link", name="Import").click()
    page.locator("input[type=file]").set_input_files(path)
    expect(page.get_by_test_id("stAlert").first).to_be_visible()
    expect(page.get_by_role("heading", name="Store")).to_have_count(0)
