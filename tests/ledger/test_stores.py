"""A ledger may outlast a store: a run is executed with the store it was queued for, and with no other."""

from __future__ import annotations

from contextlib import closing

import pytest

from secondlook.domain.runs import RunStatus
from secondlook.ledger.database import ledger_database
from secondlook.ledger.runs import Ledger
from tests.examples import example_answer
from tests.ledger import executing
from tests.ledger.executing import Where, claimed, expire

ELSEWHERE = "https://project.example"


@pytest.mark.parametrize("answered", [False, True], ids=["queued", "answered"])
def test_a_run_is_executed_with_its_own_store_only(ledger: Ledger, where: Where, *, answered: bool) -> None:
    """With another it is neither found nor claimed, and stays as it is."""
    run = executing.queued(ledger)
    if answered:
        assert ledger.begin_call(claimed(ledger, run)) == 1
        ledger.journal(run.run_id, 1, example_answer())
        expire(where, run.run_id)
    with closing(Ledger(ledger_database(where), lease_seconds=15, store=ELSEWHERE)) as other:
        assert other.claimable() == []
        assert other.claim(run.run_id, "somebody") is None
        seen = other.get(run.run_id)
    assert seen.store == "embedded"
    assert seen.status is (RunStatus.ANSWERED if answered else RunStatus.QUEUED)
    assert [found.run_id for found in ledger.claimable()] == [run.run_id]
    assert ledger.claim(run.run_id, "somebody") is not None
