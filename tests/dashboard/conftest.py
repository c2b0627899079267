"""The dashboard's pages, run without a browser."""

from __future__ import annotations

from collections.abc import Callable, Generator

import pytest
from streamlit.testing.v1 import AppTest

from secondlook.dashboard import resources
from tests.processes import ROOT

OpenPage = Callable[[str], AppTest]


@pytest.fixture
def open_page() -> Generator[OpenPage]:
    """Opens the dashboard and goes to the page of this name, which is not drawn yet."""
    resources.clear()

    def opened(name: str) -> AppTest:
        app = AppTest.from_file(str(ROOT / "secondlook" / "dashboard" / "main.py"), default_timeout=60).run()
        return app.switch_page(str(ROOT / "pages" / f"{name}.py"))

    yield opened
    resources.clear()
