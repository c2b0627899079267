"""The rehearsal page, for every kind: the rule and path that it names are those known to be wrong."""

from __future__ import annotations

import html

import pytest
from streamlit.testing.v1 import AppTest

from secondlook.dashboard import resources
from secondlook.domain.runs import RunStatus
from tests.dashboard.conftest import OpenPage
from tests.examples import USER
from tests.processes import eventually, samples
from tests.providers.test_rehearsal import REJECTED

WEEKS = len(samples()[0].answer["demand"]["weekly_volume"])


@pytest.fixture
def page(open_page: OpenPage) -> AppTest:
    """The page, drawn once."""
    return open_page("rehearsal").run()


def facts(page: AppTest) -> dict[str, str]:
    """What the page says of what is left behind."""
    shown = page.table[-1].value
    return dict(zip(shown.iloc[:, 0], shown.iloc[:, 1], strict=True))


def plain(text: str) -> str:
    """Text as a browser shows it."""
    return html.unescape(text)


def test_each_names_its_rule_and_path(page: AppTest) -> None:
    """One after the other, on one source: refused, and nothing stored."""
    ledger = resources.services().ledger
    for number, (name, reason, path) in enumerate(REJECTED, start=1):
        page.selectbox(key="rehearsal-model").select(f"rehearsal-{name}").run()
        page.button(key="rehearse").click().run()
        assert not page.exception
        eventually(lambda number=number: [r.status for r in ledger.list(USER)] == [RunStatus.FAILED] * number)
        page.run()
        # The tests of the kinds have a source of two weeks.
        wrong = "the whole answer" if path is None else path.replace("volume[2]", f"volume[{WEEKS}]")
        told = {plain(each): plain(value) for each, value in facts(page).items()}
        assert (told["Rule"], told["Path"]) == (reason, wrong), name
        assert told["Store"] == "unchanged, no snapshot"
        assert told["Source"] == "bucketed"
        assert plain(page.error[0].value).startswith(f"**Answer rejected ({reason})")
