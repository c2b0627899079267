"""Insights over HTTP: asked for once, as the person of the token, and read without a call."""

from __future__ import annotations

from tests.api.conftest import Someone, problem_of
from tests.provider import Provider
from tests.test_insights import HONEST, LIES, saying


def test_insights_are_asked_for_once_and_read(ann: Someone, provider: Provider) -> None:
    """POST asks, GET reads the same; asked again, nothing is sent."""
    made = ann.made(ann.add_source())
    address = f"/api/snapshots/{made['snapshot_id']}/insights"
    before = ann.get(address).json()
    assert (before["run_id"], before["headline"]["by"]) == (None, "rules")
    provider.requests.clear()
    provider.behaviour = saying(HONEST[0], LIES[0], *HONEST[1:])
    answer = ann.ask("POST", address, headers={"prefer": "wait"})
    assert (answer.status_code, answer.headers["preference-applied"]) == (200, "wait")
    told = answer.json()
    assert told["headline"]["by"] == "agent"
    assert told["refused"] == [{"rule": "characters", "position": 1}]
    assert LIES[0][0] not in answer.text
    assert ann.get(address).json() == told
    assert ann.ask("POST", address, headers={"prefer": "wait"}).json() == told
    assert len(provider.requests) == 1
    again = ann.ask("POST", address, json={"regenerate": True}, headers={"prefer": "wait"}).json()
    assert again["run_id"] != told["run_id"]
    assert len(provider.requests) == 2


def test_without_waiting_the_run_is_named(ann: Someone, provider: Provider) -> None:
    """202 and where the run is; it says its task."""
    made = ann.made(ann.add_source())
    provider.behaviour = saying(*HONEST)
    answer = ann.ask("POST", f"/api/snapshots/{made['snapshot_id']}/insights")
    assert answer.status_code == 202
    run = ann.ended(answer.json()["run_id"])
    assert (run["task"], run["status"]) == ("insights", "done")


def test_another_persons_snapshot_is_not_found(ann: Someone, bob: Someone, provider: Provider) -> None:
    """Neither read nor asked about."""
    made = ann.made(ann.add_source())
    provider.requests.clear()
    address = f"/api/snapshots/{made['snapshot_id']}/insights"
    problem_of(bob.get(address), 404, "source_not_found")
    problem_of(bob.ask("POST", address), 404, "source_not_found")
    assert provider.requests == []
