"""Ways to start the dashboard and to end it, and what it keeps to itself."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.e2e.conftest import Dashboard, NewPage, serve
from tests.processes import API_KEY, ROOT, Home, eventually
from tests.provider import answering_after, answering_once, going_silent
from tests.web.serving import free_port, wait_until_served

pytestmark = pytest.mark.browser


def test_streamlit_run(own_home: Home, new_page: NewPage) -> None:
    """`streamlit run app.py` serves the same dashboard, and its pages only through the router."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", str(ROOT / "app.py"), "--server.port", str(port)],
        cwd=ROOT,
        env=own_home.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    own_home.started.append(process)
    url = f"http://localhost:{port}"
    wait_until_served(url)
    tab = Dashboard(own_home, url, new_page())
    tab.open_sample()
    tab.see("46 sources")
    tab.page.goto(f"{url}/sources")
    tab.see("46 sources")


def test_ending_the_server_waits_for_the_answer(own_dashboard: Dashboard) -> None:
    """A server that is told to end keeps the answer that is on its way."""
    home = own_dashboard.home
    home.provider.behaviour = answering_after(1.5, home.sample.answer)
    own_dashboard.open_sample()
    own_dashboard.generate.click()
    eventually(lambda: len(home.provider.requests) == 1)
    own_dashboard.page.close()
    home.started[0].send_signal(signal.SIGTERM)
    home.started[0].wait(timeout=30)
    assert home.runs()[0]["status"] == "done"


def test_a_killed_servers_run_is_found_by_the_next(own_dashboard: Dashboard, new_page: NewPage) -> None:
    """A new server finds the run of a killed one with its outcome unknown; it sends nothing."""
    home = own_dashboard.home
    home.set(SECONDLOOK_LEASE_SECONDS="1")
    tab = serve(home, new_page())
    home.provider.behaviour = going_silent
    tab.open_sample()
    tab.generate.click()
    eventually(lambda: len(home.provider.requests) == 1)
    tab.page.close()
    home.started[-1].kill()
    eventually(lambda: home.runs()[0]["status"] == "in_doubt")
    assert len(home.provider.requests) == 1


def test_nothing_private_is_logged(own_dashboard: Dashboard) -> None:
    """The served process logs ids, counts and usage; no bucket, prompt, answer, key or search."""
    home = own_dashboard.home
    own_dashboard.open(f"source={home.sample.source_id}&search=Acme")
    own_dashboard.generate.click()
    own_dashboard.see("values match the buckets")
    process = home.started[0]
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    logged = out + err
    assert "[OpenAI] Snapshot generated: " in logged
    assert "[Orchestrator] Snapshot pipeline complete: " in logged
    week = home.sample.answer["demand"]["weekly_volume"][0]["week"]
    for private in (API_KEY, week, "weekly_volume", "500-1500", "Acme", "Copy everything"):
        assert private not in logged


def test_two_tabs_see_one_run_live(open_page: Callable[..., Dashboard]) -> None:
    """The steps are live, with their timings, in every tab."""
    release: list[bool] = []
    first, second = open_page(), open_page()
    home = first.home
    home.provider.behaviour = answering_once(lambda: bool(release), home.sample.answer)
    first.open_sample()
    first.generate.click()
    second.open_sample()
    for tab in (first, second):
        tab.see("Call the agent once")
        tab.see("Determine the confidence, build the agent input · ")
    release.append(True)
    for tab in (first, second):
        tab.see("Snapshot saved in")
