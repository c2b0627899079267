"""Which transitions are legal, as one table."""

from __future__ import annotations

import pytest

from secondlook.domain.runs import RunStatus
from secondlook.ledger.runs import Ledger
from tests.ledger.executing import ACTIONS, LEGAL, STATES

# A run that nobody claimed has no call that could be answered: that is not a transition but a lie.
_CASES = [
    (state, action)
    for state in STATES
    for action in ACTIONS
    if not (action == "journal" and state in {"queued", "claimed"})
]


@pytest.mark.parametrize(("state", "action"), _CASES, ids=[" ".join(case) for case in _CASES])
def test_transitions(ledger: Ledger, state: str, action: str) -> None:
    """Each action on each state goes where the table says, or nowhere."""
    run = STATES[state](ledger)
    before = ledger.get(run.run_id)
    ACTIONS[action](ledger, run)
    after = ledger.get(run.run_id)
    expected = LEGAL.get((state, action))
    assert after.status == (expected or before.status)
    if expected is None and action != "block":
        kept = {"elapsed_ms", "owner"}
        assert after.model_dump(exclude=kept) == before.model_dump(exclude=kept)


@pytest.mark.parametrize("state", list(STATES))
def test_who_can_be_claimed(ledger: Ledger, state: str) -> None:
    """Only a run that is queued and held by nobody; not one that is held or at its end."""
    run = STATES[state](ledger)
    assert (ledger.claim(run.run_id, "somebody else") is not None) is (state == "queued")


@pytest.mark.parametrize("state", list(STATES))
def test_only_its_owner_moves_a_run_on(ledger: Ledger, state: str) -> None:
    """A stranger, and a worker that never claimed, change nothing."""
    run = STATES[state](ledger)
    before = ledger.get(run.run_id)
    for owner in ("a stranger", None):
        stranger = before.model_copy(update={"owner": owner})
        for action in ACTIONS.keys() - {"journal", "resend", "cancel"}:
            ACTIONS[action](ledger, stranger)
            assert ledger.get(run.run_id).status is before.status, f"{action} by {owner}"


def test_statuses_are_all_reached() -> None:
    """The table leaves out no status."""
    assert {state for state in STATES if state != "claimed"} == {str(status) for status in RunStatus}
