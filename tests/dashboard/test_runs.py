"""The page Runs without a browser: a run in every state, and one that was erased."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from secondlook.dashboard import resources
from secondlook.views.run import STATUS
from tests.dashboard.conftest import OpenPage
from tests.examples import USER
from tests.ledger import executing


@pytest.fixture
def page(open_page: OpenPage) -> AppTest:
    """The list, drawn once."""
    return open_page("runs").run()


def metrics(page: AppTest) -> dict[str, str]:
    """The figures of the open run."""
    return {metric.label: metric.value for metric in page.metric}


@pytest.mark.parametrize("state", list(executing.STATES))
def test_every_state(page: AppTest, state: str) -> None:
    """Each is drawn and named; of one without an answer nothing is made up."""
    assert [info.value for info in page.info][-1].startswith("There are no runs yet")
    ledger = resources.services().ledger
    run = ledger.get(executing.STATES[state](ledger).run_id)
    page.query_params["run"] = run.run_id
    page.run()
    assert not page.exception
    assert any(STATUS[run.status] in each.value for each in page.markdown)
    matched = metrics(page)["Matching values"]
    assert matched == ("22 of 22" if run.answer is not None else "no answer")


def test_an_erased_run(page: AppTest) -> None:
    """It says that it was erased and when, and shows what it took."""
    services = resources.services()
    run = executing.done(services.ledger)
    services.pruning.erase(user_id=USER)
    page.query_params["run"] = run.run_id
    page.run()
    assert not page.exception
    assert any("were erased on" in info.value for info in page.info)
    shown = metrics(page)
    assert (shown["Matching values"], shown["Requests"]) == ("erased", "1")
    assert "unknown" not in shown["Tokens"]
