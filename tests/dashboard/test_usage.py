"""The page Usage without a browser: its figures, its filters, and where its links lead."""

from __future__ import annotations

import html
import re
import time
from collections.abc import Generator
from urllib.parse import parse_qsl

import pytest
from streamlit.testing.v1 import AppTest

from secondlook.dashboard import resources
from secondlook.domain.run_filter import read_filter
from secondlook.ledger.usage import DIMENSIONS, Dimension, UsageQuery
from secondlook.services import connect
from secondlook.views.usage import say_cost
from tests.mixed_runs import TASKS, insert, mixed
from tests.processes import ROOT

MAIN = ROOT / "secondlook" / "dashboard" / "main.py"
LINK = re.compile(r"\[(.*)\]\(runs\?(.*)\)")


@pytest.fixture
def page() -> Generator[AppTest]:
    """The page on a ledger of mixed runs, not drawn yet."""
    resources.clear()
    services = connect()
    _ = services.ledger
    # Up to seven yesterday: from other hours on, the call of a rejected one is on the day after its run.
    until = (time.time() // 86_400 - 1) * 86_400 + 7 * 3_600
    insert(services.settings.data_dir / "ledger.db", mixed(300, days=20, until=until, tasks=TASKS))
    try:
        app = AppTest.from_file(str(MAIN), default_timeout=60).run()
        yield app.switch_page(str(ROOT / "pages" / "usage.py"))
    finally:
        resources.clear()


def draw(page: AppTest, **params: str) -> AppTest:
    """Draw it by a URL's query."""
    for name, value in params.items():
        page.query_params[name] = value
    page.run()
    assert not page.exception
    return page


@pytest.mark.parametrize("by", DIMENSIONS)
def test_every_figure_leads_to_its_runs(page: AppTest, by: Dimension) -> None:
    """The runs behind each link of each row are as many as the figure says."""
    services = connect()
    table = draw(page, by=by).table[0].value
    assert len(table) > 3
    followed = 0
    for name in ("Runs", "Failed", "Outcome unknown", "Rejected"):
        for cell in table[name]:
            linked = LINK.fullmatch(cell)
            if linked is None:
                assert cell == "0"
                continue
            params = dict(parse_qsl(linked[2]))
            if "everyone" in params:
                del params["user"]
            found, wrong = read_filter(params)
            others = [each for each in wrong if not each.startswith("model must be")]
            assert others == []
            if not wrong:  # a model's name that no setting takes cannot be looked for
                said = html.unescape(linked[1]).replace("\xa0", " ")
                assert f"{services.history.page(found).total:,}" == said.split(",  ")[0].split(", ")[0]
                followed += 1
    assert followed > len(table)


def test_the_page_and_the_report_say_the_same(page: AppTest) -> None:
    """The metrics are those of the report that the command line prints."""
    services = connect()
    draw(page)
    total = services.usage.report(UsageQuery(*services.usage.period())).total
    metrics = {metric.label: html.unescape(metric.value) for metric in page.metric}
    assert metrics["Runs"] == f"{total.runs:,}"
    assert metrics["Calls"] == f"{total.calls:,}"
    assert metrics["Cost"] == say_cost(total)
    assert metrics["Cost"].startswith("≥ $")


def test_what_is_wrong_with_a_url_is_said_and_left_out(page: AppTest) -> None:
    """Each wrong value is named once; the page is that of the others."""
    draw(page, by="<b>", since="2026-02-30", until="tomorrow", agent="g" * 300)
    said = [html.unescape(warning.value) for warning in page.warning]
    assert [each.split(" must be ")[0] for each in said if " must be " in each] == [
        "agent",
        "since",
        "until",
        "by",
    ]
    assert page.radio(key="usage-by").value == "day"
    draw(page, by="model", since="2026-02-02", until="2026-02-01", agent="openai")
    said = [html.unescape(warning.value) for warning in page.warning if "ignored" in warning.value]
    assert said == ["since is after until. Both are ignored."]
    assert page.selectbox(key="usage-agent").value == "openai"


def test_the_filters_write_the_url(page: AppTest) -> None:
    """A choice goes into the URL, so that it can be sent to somebody; what is the default stays out."""
    draw(page)
    page.radio(key="usage-by").set_value("source").run()
    page.selectbox(key="usage-agent").select("offline").run()
    assert (page.query_params["by"], page.query_params["agent"]) == ("source", "offline")
    page.selectbox(key="usage-agent").select("any").run()
    assert "agent" not in page.query_params
    since = page.date_input(key="usage-since").value
    page.date_input(key="usage-since").set_value(page.date_input(key="usage-until").value).run()
    assert page.query_params["since"] == page.query_params["until"] != str(since)
    assert not page.exception


def test_an_empty_ledger() -> None:
    """Without any run there are zeros and nothing unknown."""
    resources.clear()
    try:
        app = AppTest.from_file(str(MAIN), default_timeout=60).run()
        draw(app.switch_page(str(ROOT / "pages" / "usage.py")))
        metrics = {metric.label: html.unescape(metric.value) for metric in app.metric}
    finally:
        resources.clear()
    assert (metrics["Runs"], metrics["Cost"], metrics["Tokens"]) == ("0", "$0.0000", "0")
    assert metrics["Agent call, p50 / p95"] == metrics["Unanswered calls"] == "none"
