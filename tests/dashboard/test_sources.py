"""The page Sources without a browser: what it says of a source while its run is open."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from secondlook.dashboard import resources
from tests.dashboard.conftest import OpenPage
from tests.examples import USER
from tests.processes import samples
from tests.tables import EmbeddedTables

CHANGED = "Buckets changed since this run began"


@pytest.fixture
def page(open_page: OpenPage) -> AppTest:
    """The list, drawn once."""
    return open_page("sources").run()


def test_buckets_that_change_while_a_run_is_open(page: AppTest) -> None:
    """They are shown as changed at once, not when the snapshot is there."""
    services, source_id = resources.services(), samples()[0].source_id
    resources.runner().submit(source_id, services.own_access(USER))

    def is_changed() -> bool:
        page.query_params["source"] = source_id
        page.run()
        assert not page.exception
        return any(CHANGED in each.value for each in page.markdown)

    assert not is_changed()
    tables = EmbeddedTables(services.settings.data_dir / "store.db")
    tables.run("update estimate_buckets set price_band_lt_500 = 99 where source_id = ?", source_id)
    assert is_changed()
