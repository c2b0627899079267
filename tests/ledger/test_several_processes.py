"""Real processes that share one ledger, and do the same at the same moment."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Generator
from contextlib import closing
from typing import IO, Any

import pytest

from secondlook.domain.runs import RunStatus
from secondlook.ledger.runs import open_ledger
from tests.examples import USER
from tests.ledger.executing import Where, query
from tests.processes import ROOT

PROCESSES = 2
ROUNDS = 60

DRIVER = """
import json, sys
from pathlib import Path
from uuid import uuid4
from secondlook.ledger.runs import open_ledger
from tests.examples import example_answer, example_plan
from tests.ledger.executing import finish

where = sys.argv[1] if "://" in sys.argv[1] else Path(sys.argv[1])
ledger = open_ledger(where, lease_seconds=15)
plan = example_plan()
ledger.list(plan.user_id)
print("ready", flush=True)
for line in sys.stdin:
    wanted = json.loads(line)
    mine = plan.model_copy(update={"source_id": wanted["source"]})
    run = ledger.submit(str(uuid4()), mine, number=wanted["number"], key=wanted["key"])
    held = ledger.claim(run.run_id, uuid4().hex)
    sent = held and ledger.begin_call(held)
    counted = sent and ledger.journal(run.run_id, sent, example_answer())
    if counted:
        finish(ledger, held)
    told = {"run": run.run_id, "claimed": held is not None, "sent": sent, "counted": counted}
    print(json.dumps(told), flush=True)
ledger.close()
"""


class Peer:
    """Another process on the same ledger."""

    def __init__(self, where: Where) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", DRIVER, str(where)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._to: IO[str] = self.process.stdin
        self._from: IO[str] = self.process.stdout

    def tell(self, wanted: object) -> None:
        """What it is to do next."""
        self._to.write(json.dumps(wanted) + "\n")
        self._to.flush()

    def line(self) -> str:
        """What it says."""
        return self._from.readline().strip()


@pytest.fixture
def peers(where: Where) -> Generator[list[Peer]]:
    """Processes that are ready."""
    started = [Peer(where) for _ in range(PROCESSES)]
    try:
        for peer in started:
            assert peer.line() == "ready"
        yield started
        for peer in started:
            assert peer.process.communicate(timeout=30)[0] == ""
            assert peer.process.returncode == 0
    finally:
        for peer in started:
            peer.process.kill()
            peer.process.communicate()


@pytest.mark.parametrize("key", [None, "a key"])
def test_of_two_processes_one_wins(where: Where, peers: list[Peer], key: str | None) -> None:
    """Again and again: both get the same run, one executes it, one call goes out, one answer counts."""
    won = 0
    for number in range(ROUNDS):
        for peer in peers[:: 1 if number % 2 else -1]:  # none is always told first
            peer.tell({"source": f"source-{number}", "number": 1, "key": key and f"{key} {number}"})
        told: list[dict[str, Any]] = [json.loads(peer.line()) for peer in peers]
        assert len({each["run"] for each in told}) == 1
        assert [each["sent"] for each in told if each["sent"]] == [1]
        assert [each["counted"] for each in told if each["counted"]] == [True]
        assert sum(each["claimed"] for each in told) == 1
        won += told[0]["claimed"]
    assert 0 < won < ROUNDS  # both were in the race
    with closing(open_ledger(where, lease_seconds=15)) as ledger:
        assert [run.status for run in ledger.list(USER)] == [RunStatus.DONE] * ROUNDS
    assert query(where, "select count(*) from calls") == [(ROUNDS,)]
    assert query(where, "select count(*) from submissions") == [(ROUNDS if key else 0,)]
