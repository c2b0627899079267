"""What a provider announces, and its refusals, hold back what batches begin, in all processes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import pytest

from secondlook.domain.answers import RateLimits
from secondlook.ledger.batches import Batches
from secondlook.ledger.runs import Ledger, open_ledger
from tests.examples import USER, example_answer, example_plan
from tests.ledger import executing
from tests.ledger.executing import BUSY, Where, query


@pytest.fixture
def batches(ledger: Ledger) -> Batches:
    """Batches on the ledger; nine runs of one of them wait."""
    made = Batches(ledger._database)  # pyright: ignore[reportPrivateUsage]
    made.fill(made.open(USER, concurrency=9), [example_plan(f"source-{number}") for number in range(9)])
    return made


def answered(ledger: Ledger, limits: RateLimits | None) -> None:
    """An answer to somebody's own run, with these limits in its headers."""
    held = executing.calling(ledger, executing.queued(ledger, "own"))
    ledger.journal(held.run_id, 1, example_answer(limits=limits))


def limits(requests: int | None = None, tokens: int | None = None, reset: float = 60) -> RateLimits:
    """What is left, and for how long."""
    return RateLimits(requests=requests, requests_reset=reset, tokens=tokens, tokens_reset=reset)


@pytest.mark.parametrize(
    ("announced", "released"),
    [
        pytest.param(None, 9, id="nothing"),
        pytest.param(limits(requests=100, tokens=5000), 9, id="plenty"),
        pytest.param(limits(requests=4), 4, id="four requests"),
        pytest.param(limits(requests=0), 0, id="no request"),
        pytest.param(limits(tokens=0), 0, id="no token"),
        pytest.param(limits(requests=0, tokens=0, reset=0), 9, id="none left, and whole again at once"),
        pytest.param(limits(requests=4, reset=0), 9, id="four requests, whole again at once"),
    ],
)
def test_what_is_left(ledger: Ledger, batches: Batches, announced: RateLimits | None, released: int) -> None:
    """No more is started than the provider said it would take."""
    answered(ledger, announced)
    assert len(batches.release(20)) == released


def test_what_is_started_is_subtracted(ledger: Ledger, batches: Batches) -> None:
    """Of four, three in one go leave one; none is left then, until the provider says otherwise."""
    answered(ledger, limits(requests=4))
    assert [len(batches.release(capacity)) for capacity in (3, 20, 20)] == [3, 1, 0]
    answered_again = ledger.list(USER)[-1]
    ledger.cancel(answered_again.run_id, USER)
    query_limits(ledger, 2)
    assert len(batches.release(20)) == 2


def query_limits(ledger: Ledger, requests: int) -> None:
    """Another answer, of a run that was released."""
    held = executing.claimed(ledger, ledger.get(executing.claimable(ledger)[0]))
    assert ledger.begin_call(held) == 1
    ledger.journal(held.run_id, 1, example_answer(limits=limits(requests=requests)))


def test_a_refusal_holds_the_batch(ledger: Ledger, batches: Batches, where: Where) -> None:
    """Nothing more of any batch is started before the refused run is due; then it goes on."""
    (run_id,) = batches.release(1)
    held = executing.calling(ledger, ledger.get(run_id))
    ledger.postpone(held, 1, BUSY, 60)
    assert batches.release(20) == []
    query(where, "update pace set hold_until = 0")
    assert len(batches.release(20)) == 8


def test_a_shorter_wait_shortens_none(ledger: Ledger, batches: Batches, where: Where) -> None:
    """Of two refusals the longer counts."""
    for run_id, seconds in zip(batches.release(2), (60, 0), strict=True):
        ledger.postpone(executing.calling(ledger, ledger.get(run_id)), 1, BUSY, seconds)
    assert batches.release(20) == []
    assert len(query(where, "select * from pace")) == 1


def test_a_persons_refusal_holds_no_batch(ledger: Ledger, batches: Batches) -> None:
    """Somebody's own run waits alone."""
    held = executing.calling(ledger, executing.queued(ledger, "own"))
    ledger.postpone(held, 1, BUSY, 60)
    assert len(batches.release(20)) == 9


def test_a_person_is_never_held(ledger: Ledger, batches: Batches) -> None:
    """Where nothing is left, batches wait, and whoever presses the button does not."""
    answered(ledger, limits(requests=0))
    assert batches.release(20) == []
    own = executing.queued(ledger, "another")
    assert own.run_id in executing.claimable(ledger)


def test_all_processes_know(ledger: Ledger, batches: Batches, where: Where) -> None:
    """What one was told holds for the others."""
    answered(ledger, limits(requests=2))
    with closing(open_ledger(where, lease_seconds=15)) as other:
        there = Batches(other._database)  # pyright: ignore[reportPrivateUsage]
        assert (len(there.release(20)), len(batches.release(20))) == (2, 0)


def test_without_limits_nothing_is_held(new_database: Callable[[], Where]) -> None:
    """A provider that announces nothing is as fast as the batch."""
    with closing(open_ledger(new_database(), lease_seconds=15)) as ledger:
        made = Batches(ledger._database)  # pyright: ignore[reportPrivateUsage]
        made.fill(made.open(USER, concurrency=1), [example_plan("one")])
        assert len(made.release(1)) == 1
