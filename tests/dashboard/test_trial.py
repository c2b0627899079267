"""The page Rehearsal tries a model behind its cost, with a key too, and shows what the command shows."""

from __future__ import annotations

import html
import json
from collections.abc import Generator

import pytest
from streamlit.testing.v1 import AppTest

from secondlook.dashboard import resources
from secondlook.domain.runs import TRIAL
from secondlook.views.trial import report_trial, trial_facts
from tests.dashboard.conftest import OpenPage
from tests.processes import ROOT, Home, eventually
from tests.provider import Exchange, completion
from tests.tables import EmbeddedTables


@pytest.fixture
def page(home: Home, open_page: OpenPage) -> Generator[AppTest]:
    """The page with a key, drawn once; the provider repeats what it is sent, but for one wrong answer."""

    def copy(exchange: Exchange) -> None:
        right = exchange.request.body["messages"][-1]["content"]
        exchange.reply(completion_text("{}" if exchange.number == 1 else right))

    home.provider.behaviour = copy
    page = open_page("rehearsal")
    with resources.runner().sweeping():
        yield page.run()


def completion_text(text: str) -> str:
    """The body of an answer."""
    return json.dumps(completion(text))


def test_a_trial_behind_its_cost(page: AppTest, home: Home) -> None:
    """Preview, one button with the cost, the result; rehearsals stay refused, and nothing is stored."""
    assert any("no rehearsals" in error.value for error in page.error)
    page.number_input(key="trial-sources").set_value(3).run()
    page.button(key="preview-trial").click().run()
    assert home.provider.requests == []
    start = page.button(key="start-trial")
    assert start.label.startswith("Try 3 sources for about")
    start.click().run()
    assert not page.exception
    batch_id = str(page.query_params["trial"])
    services = resources.services()
    user = services.default_user()
    eventually(lambda: not services.batches.get(batch_id, user).moving)
    page.run()
    runs = services.ledger.of_batch(batch_id, user)
    assert {run.task for run in runs} == {TRIAL}
    shown = page.table[0].value
    told = {
        html.unescape(k): html.unescape(v) for k, v in zip(shown.iloc[:, 0], shown.iloc[:, 1], strict=True)
    }
    assert told == trial_facts(report_trial(runs))
    assert told["Exact answers"] == "2 of 3"
    assert told["Mistakes"] == "1 keys: schema"
    assert len(page.table[1].value) == 3
    assert EmbeddedTables(home.data / "store.db").count("snapshots") == len(home.snapshots()) == 0
    assert home.status() == "bucketed"
    page.switch_page(str(ROOT / "pages" / "batch.py")).run()
    assert any("**Model trial of 3**" in each.value for each in page.markdown)


def test_a_refused_trial_says_why(page: AppTest, home: Home) -> None:
    """Without a source that can be run there is no button, but the reason and what to do."""
    home.store("update sources set status = 'ingested'")
    page.button(key="preview-trial").click().run()
    assert any("No source can be tried" in error.value for error in page.error)
    assert "start-trial" not in [button.key for button in page.button]
