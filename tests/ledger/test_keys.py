"""A submission with a key can be repeated: a key names one run of its user for good."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from secondlook.domain.runs import Run
from secondlook.errors import InDoubt
from secondlook.ledger.runs import Ledger
from tests.examples import OTHER_USER, SOURCE, USER, example_plan
from tests.ledger import executing
from tests.ledger.executing import Where, next_number, query

KEY = "8e03978e-40d5-43dd-bc93-6894a57f9324"
OTHER_SOURCE = SOURCE.replace("1", "2")


def submitted(
    ledger: Ledger, key: str | None, *, source: str = SOURCE, user: str = USER, fingerprint: str = "asked"
) -> Run:
    """What this user gets who asks for a source now, with a key."""
    number = next_number(ledger, source, user)
    plan = example_plan(source, user)
    return ledger.submit(str(uuid4()), plan, number=number, key=key, fingerprint=fingerprint)


def test_a_key_names_the_run_it_made(ledger: Ledger) -> None:
    """With what was asked for; another key, and no key, name nothing."""
    run = submitted(ledger, KEY)
    assert ledger.submitted(USER, KEY) == (run.run_id, "asked")
    assert ledger.submitted(USER, "another") is None


def test_without_a_key_nothing_is_named(ledger: Ledger, where: Where) -> None:
    """As before there were keys."""
    submitted(ledger, None)
    assert query(where, "select count(*) from submissions") == [(0,)]


@pytest.mark.parametrize("state", list(executing.STATES))
def test_a_repeated_key_gets_its_run(ledger: Ledger, state: str) -> None:
    """Whatever became of it, and whatever else is asked for with that key: no other run is made."""
    run = executing.STATES[state](ledger)
    if state == "in_doubt":
        ledger.resend(run.run_id, USER)
    taken = submitted(ledger, KEY)  # joins it where it goes on, or makes the next
    for _ in range(2):
        assert submitted(ledger, KEY).run_id == taken.run_id
    assert submitted(ledger, KEY, source=OTHER_SOURCE, fingerprint="asks for more").run_id == taken.run_id
    assert ledger.submitted(USER, KEY) == (taken.run_id, "asked")
    assert ledger.latest(USER, OTHER_SOURCE) is None


def test_after_its_end_a_key_still_names_its_run(ledger: Ledger) -> None:
    """A late repetition makes no second run, even if the first has an unknown outcome or was canceled."""
    run = submitted(ledger, KEY)
    held = executing.calling(ledger, run)
    ledger.end_call(held, 1, executing.UNKNOWN)
    assert submitted(ledger, KEY).run_id == run.run_id
    ledger.cancel(run.run_id, USER)
    assert submitted(ledger, KEY).run_id == run.run_id
    assert submitted(ledger, "another").run_id != run.run_id


def test_a_key_names_the_run_it_joined(ledger: Ledger) -> None:
    """Who came second has a name for the run too."""
    first = submitted(ledger, "first")
    assert submitted(ledger, "second", fingerprint="asked later").run_id == first.run_id
    assert ledger.submitted(USER, "second") == (first.run_id, "asked later")


def test_a_refused_submission_leaves_its_key_free(ledger: Ledger) -> None:
    """While a run's outcome is unknown nothing is named; once it is resolved, the same key can ask again."""
    doubtful = executing.in_doubt(ledger)
    with pytest.raises(InDoubt):
        submitted(ledger, KEY)
    assert ledger.submitted(USER, KEY) is None
    ledger.cancel(doubtful.run_id, USER)
    assert submitted(ledger, KEY).run_id != doubtful.run_id


def test_a_key_is_its_users(ledger: Ledger) -> None:
    """Two users may choose the same."""
    mine, others = submitted(ledger, KEY), submitted(ledger, KEY, user=OTHER_USER)
    assert mine.run_id != others.run_id
    assert ledger.submitted(USER, KEY) == (mine.run_id, "asked")
    assert ledger.submitted(OTHER_USER, KEY) == (others.run_id, "asked")


@pytest.mark.parametrize("sources", [1, 4], ids=["one source", "four sources"])
def test_eight_at_once_with_one_key(ledger: Ledger, where: Where, sources: int) -> None:
    """One run and one name, whatever each of them asks for."""
    for number in range(10):
        key, start = f"key-{number}", threading.Barrier(8)

        def submit(
            each: int, *, number: int = number, key: str = key, start: threading.Barrier = start
        ) -> str:
            plan = example_plan(f"source-{number}-{each % sources}")
            start.wait()
            return ledger.submit(str(uuid4()), plan, number=1, key=key, fingerprint=plan.source_id).run_id

        with ThreadPoolExecutor(8) as pool:
            (run_id,) = set(pool.map(submit, range(8)))
        assert ledger.submitted(USER, key) == (run_id, ledger.get(run_id).source_id)
    assert query(where, "select count(*) from runs") == [(10,)]
    assert query(where, "select count(*) from submissions") == [(10,)]
