"""What a button of a batch does depends on its action; its label is for people alone."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from secondlook.dashboard import resources
from secondlook.dashboard.batch import batches as batches_page
from secondlook.dashboard.batch.batches import Action, decisions
from secondlook.domain.access import Access
from secondlook.domain.batches import Batch, BatchStatus
from secondlook.domain.runs import RunStatus
from secondlook.execution import batches
from tests.examples import USER
from tests.processes import ROOT

MAIN = ROOT / "secondlook" / "dashboard" / "main.py"


def batch(status: BatchStatus, **counts: int) -> Batch:
    """A batch in a state."""
    return Batch(
        batch_id="b",
        user_id=USER,
        status=status,
        concurrency=1,
        per_minute=None,
        skipped={},
        counts=counts,
        failures={},
        cost_usd=None,
        created_at="2026-11-22T10:00:00Z",
        ended_at=None,
        elapsed_s=1.0,
    )


@pytest.mark.parametrize(
    ("each", "stalled", "actions"),
    [
        pytest.param(batch(BatchStatus.FILLING), False, [Action.STOP], id="preparing"),
        pytest.param(batch(BatchStatus.FILLING), True, [Action.RESUME, Action.STOP], id="stalled"),
        pytest.param(batch(BatchStatus.RUNNING), False, [Action.PAUSE, Action.STOP], id="running"),
        pytest.param(batch(BatchStatus.PAUSED), False, [Action.RESUME, Action.STOP], id="paused"),
        pytest.param(batch(BatchStatus.STOPPED, cancelled=1), False, [Action.RESUME], id="stopped"),
        pytest.param(batch(BatchStatus.STOPPED, done=1), False, [], id="stopped, nothing canceled"),
        pytest.param(batch(BatchStatus.ENDED, done=1), False, [], id="finished"),
    ],
)
def test_what_can_be_decided(each: Batch, stalled: bool, actions: list[Action]) -> None:
    """Each state offers what can be done in it, and nothing else."""
    offered = list(decisions(each, stalled=stalled))
    assert [decision.action for decision in offered] == actions
    assert len({decision.label for decision in offered}) == len(offered)


@pytest.fixture
def queued() -> Generator[Batch]:
    """A batch with all its runs queued and none released."""
    resources.clear()
    try:
        services = resources.services()
        started = batches.begin(services, Access(USER), batches.Selection(), concurrency=1, per_minute=None)
        yield services.batches.pause(started.batch_id, USER)
    finally:
        resources.clear()


def test_a_label_decides_nothing(queued: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the labels of Stop and Resume exchanged, each button still does what its action says."""
    monkeypatch.setattr(batches_page, "STOP", replace(batches_page.STOP, label="Resume"))
    monkeypatch.setattr(batches_page, "RESUME", replace(batches_page.RESUME, label="Stop"))
    app = AppTest.from_file(str(MAIN), default_timeout=60).run()
    app.switch_page(str(ROOT / "pages" / "batch.py")).run()
    pressed = app.button(key=f"{Action.STOP}-{queued.batch_id}")
    assert pressed.label == "Resume"
    pressed.click().run()
    assert not app.exception
    stopped = resources.services().batches.get(queued.batch_id, USER)
    assert stopped.status is BatchStatus.STOPPED
    assert stopped.counts == {RunStatus.CANCELLED: queued.total}
