"""Which transitions are legal, as one table."""

from __future__ import annotations

import time
from contextlib import closing, suppress

import pytest

from secondlook.domain.runs import RunStatus
from secondlook.errors import StoreUnavailable
from secondlook.ledger.runs import Ledger, open_ledger
from tests.examples import USER, example_answer
from tests.ledger.executing import ACTIONS, LEGAL, REFUSED, STATES, Where, expire, query

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


@pytest.mark.parametrize("state", ["done", "failed", "cancelled"])
def test_a_late_answer_after_the_end_is_kept(ledger: Ledger, state: str) -> None:
    """An answer that nobody waits for any more changes no run, and is kept for QA."""
    run = STATES[state](ledger)
    before = ledger.get(run.run_id)
    ledger.journal(run.run_id, 1, example_answer("late"))
    after = ledger.get(run.run_id)
    assert (after.status, after.generated_at) == (before.status, before.generated_at)


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


@pytest.mark.parametrize(("state", "action"), [*LEGAL, ("claimed", "block")])
def test_other_runs_stay_as_they_are(ledger: Ledger, where: Where, state: str, action: str) -> None:
    """An action changes no other run and no other run's calls, even if both have the same owner."""
    other = STATES[state](ledger)
    query(where, "update runs set source_id = 'another'")
    run = STATES[state](ledger)
    query(where, "update runs set owner = 'same' where owner is not null")
    tables = ("select * from runs where run_id = ?", "select * from calls where run_id = ?")
    before = [query(where, each, other.run_id) for each in tables]
    ACTIONS[action](ledger, run.model_copy(update={"owner": "same"}))
    assert [query(where, each, other.run_id) for each in tables] == before
    assert ledger.get(run.run_id).status == LEGAL.get((state, action), RunStatus.QUEUED)


def test_a_claim_starts_a_run_once_and_clears_its_error(ledger: Ledger, where: Where) -> None:
    """The time of the first claim stays; why the run could not continue is past."""
    held = STATES["claimed"](ledger)
    assert held.started_at is not None
    query(where, "update runs set started_at = 1000")
    ledger.block(held, StoreUnavailable("Down"))
    assert query(where, "select error_code, owner from runs") == [("store_unavailable", None)]
    again = ledger.claim(held.run_id, "another")
    assert again is not None
    assert again.started_at == "1970-01-01T00:16:40Z"
    assert query(where, "select error_code, error from runs") == [(None, None)]


def test_a_call_extends_the_lease_and_has_the_next_number(ledger: Ledger, where: Where) -> None:
    """An owner that has seen another number of calls sends nothing."""
    held = STATES["claimed"](ledger)
    expire(where, held.run_id)
    assert ledger.begin_call(held.model_copy(update={"attempts": 1})) is None
    assert ledger.begin_call(held) == 1
    assert query(where, "select count(*) from runs where lease_until > 1000") == [(1,)]


def test_a_stranger_neither_extends_nor_releases(where: Where) -> None:
    """The lease of a run is its owner's."""
    with closing(open_ledger(where, lease_seconds=0.3)) as ledger:
        stranger = STATES["claimed"](ledger).model_copy(update={"owner": "a stranger"})
        query(where, "update runs set lease_until = 7")
        with suppress(KeyError), ledger.held(stranger):
            time.sleep(0.2)
            raise KeyError
        assert query(where, "select count(*) from runs where lease_until = 7 and owner is not null") == [(1,)]


@pytest.mark.parametrize(
    ("status", "answered_call"),
    [(status, None) for status in ("answered", "done", "failed", "cancelled")]
    + [(status, 9) for status in ("queued", "calling", "in_doubt")],
)
def test_which_answer_counts(ledger: Ledger, where: Where, status: str, answered_call: int | None) -> None:
    """Status and first answer each decide alone that a later answer does not count."""
    run = STATES["calling"](ledger)
    query(where, "update runs set status = ?, answered_call = ?", status, answered_call)
    assert not ledger.journal(run.run_id, 1, example_answer())
    assert query(where, "select status, answered_call from runs") == [(status, answered_call)]


def test_an_answer_ends_the_unknown_outcome(ledger: Ledger, where: Where) -> None:
    """Nothing is left of the error, and the call's own end is recorded once."""
    run = STATES["in_doubt"](ledger)
    query(where, "update runs set finished_at = 5")
    assert ledger.journal(run.run_id, 1, example_answer())
    assert query(where, "select error, error_code, finished_at from runs") == [(None, None, None)]
    ledger.end_call(run, 1, REFUSED)
    timed = "select outcome, http_status from calls where sent_at > 1000 and ended_at >= sent_at"
    assert query(where, timed) == [("answered", 200)]


@pytest.mark.parametrize(
    ("change", "cancelled"),
    [
        ("update runs set owner = null", True),
        ("update runs set owner = 'somebody'", False),
        ("update runs set error = null", False),
    ],
)
def test_who_may_cancel_an_answer(ledger: Ledger, where: Where, change: str, cancelled: bool) -> None:
    """An answered run is canceled only where it could not be stored and nobody stores it now."""
    held = STATES["answered"](ledger)
    ledger.block(held, StoreUnavailable("Down"))
    query(where, change)
    assert (ledger.cancel(held.run_id, USER).status is RunStatus.CANCELLED) is cancelled


def test_a_decision_releases_a_run(ledger: Ledger, where: Where) -> None:
    """Whoever held it, and whatever it waited for: a run that is sent again can be claimed at once."""
    run = STATES["in_doubt"](ledger)
    query(where, "update runs set owner = 'somebody', lease_until = 9e12, due_at = null")
    ledger.resend(run.run_id, USER)
    kept = "select owner, lease_until, error, error_code from runs where due_at <= 1000"
    assert query(where, kept) == [(None, 0, None, None)]
    assert ledger.claim(run.run_id, "another") is not None


@pytest.mark.parametrize(
    "end", ["refuse", "end_call refused", "end_call unknown", "postpone", "finish", "cancel"]
)
def test_what_an_end_leaves(ledger: Ledger, where: Where, end: str) -> None:
    """No owner and no lease; a time where it is final."""
    state = {"refuse": "claimed", "cancel": "claimed", "finish": "answered"}.get(end, "calling")
    run = STATES[state](ledger)
    ACTIONS[end](ledger, run)
    final = end not in {"end_call unknown", "postpone"}
    left = "select owner, lease_until, case when finished_at > 1000 then 1 else 0 end from runs"
    assert query(where, left) == [(None, 0, int(final))]


def test_a_run_that_was_sent_cannot_be_blocked(ledger: Ledger, where: Where) -> None:
    """Its owner keeps it until the call has an end."""
    run = STATES["calling"](ledger)
    before = query(where, "select * from runs")
    ledger.block(run, StoreUnavailable("Down"))
    assert query(where, "select * from runs") == before
