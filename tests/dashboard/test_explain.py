"""“Explain with AI” beside a snapshot: its cost before, the sentences after, each with its rule for QA."""

from __future__ import annotations

import html
import re
from collections.abc import Generator

import pytest
from streamlit.testing.v1 import AppTest

from secondlook.dashboard import resources
from secondlook.domain.run_filter import RunFilter
from secondlook.domain.runs import INSIGHTS
from secondlook.views.acceptance import acceptance, acceptance_cells
from tests.processes import ROOT, Home, eventually
from tests.test_insights import HONEST, LIES, saying, snapshot_id

MAIN = ROOT / "secondlook" / "dashboard" / "main.py"


@pytest.fixture
def page(home: Home) -> Generator[AppTest]:
    """The page of the sample's snapshot, drawn once; the provider tells a lie among honest sentences."""
    assert home.snapshot().code == 0
    home.provider.requests.clear()
    home.provider.behaviour = saying(HONEST[0], LIES[0], *HONEST[1:])
    resources.clear()
    try:
        app = AppTest.from_file(str(MAIN), default_timeout=60).run()
        app.query_params["snapshot"] = snapshot_id(home)
        yield app.switch_page(str(ROOT / "pages" / "snapshots.py")).run()
    finally:
        resources.clear()


def shown(page: AppTest) -> str:
    """All that a page says."""
    said = [*page.markdown, *page.caption, *page.text, *page.success, *page.info, *page.error]
    return "\n".join([*(each.value for each in said), *(str(radio.options) for radio in page.radio)])


def explained(page: AppTest, home: Home) -> str:
    """Press the button, wait for the run, and return its id."""
    page.button(key="explain").click().run()
    assert not page.exception
    services = resources.services()
    user = services.default_user()

    def ended() -> str | None:
        runs = services.ledger.about(user, home.sample.source_id, INSIGHTS, snapshot_id(home))
        return runs[0].run_id if runs and runs[0].status.final else None

    eventually(ended)
    page.run()
    return ended() or ""


def test_the_cost_comes_before_the_call(page: AppTest, home: Home) -> None:
    """The button stands beside the estimate, and nothing is sent to draw it."""
    assert page.button(key="explain").label == "Explain with AI"
    assert re.search(r"≈ 1,\d{3} tokens, ≈ \$0\.00\d\d", html.unescape(shown(page)))
    assert home.provider.requests == []


def test_the_lie_is_for_qa_alone(page: AppTest, home: Home) -> None:
    """The honest sentences are shown; the run details name the rule; Usage counts it."""
    run_id = explained(page, home)
    said = shown(page)
    assert "Confidence is" in said
    assert "1 sentence was refused" in said
    assert "Revenue" not in said
    assert len(home.provider.requests) == 1
    assert page.button(key="explain").disabled  # until Regenerate is on
    page.query_params.clear()
    page.query_params["run"] = run_id
    page.switch_page(str(ROOT / "pages" / "runs.py")).run()
    assert not page.exception
    assert "refused by characters" in shown(page)
    assert "Revenue" in shown(page)
    services = resources.services()
    (found,) = acceptance(services.ledger, services.history, RunFilter(), only=services.default_user())
    cells = acceptance_cells(found)
    assert (cells["Sentences accepted"], cells["Refused by rule"]) == ("4 of 5 (80%)", "characters: 1")
    assert cells["Tokens per answer"] == "842"
    page.query_params.clear()
    page.switch_page(str(ROOT / "pages" / "usage.py")).run()
    assert not page.exception
    assert any("Insights by prompt version" in each.value for each in page.header)
