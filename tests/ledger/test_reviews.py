"""What people say of a run: one word each, changed and taken back, whatever a note holds."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing

import pytest

from secondlook.errors import LedgerUnavailable, RequestInvalid, SourceNotFound
from secondlook.ledger.database import ledger_database
from secondlook.ledger.reviews import MOST_NOTE, Reviews
from secondlook.ledger.runs import Ledger
from tests.examples import NOBODY, OTHER_USER, USER
from tests.ledger import executing
from tests.ledger.executing import Where


@pytest.fixture
def reviews(ledger: Ledger, where: Where) -> Generator[Reviews]:  # noqa: ARG001 -- it makes the tables
    """The reviews of a ledger."""
    with closing(ledger_database(where)) as database:
        yield Reviews(database)


def test_one_review_each(ledger: Ledger, reviews: Reviews) -> None:
    """Each reviewer's newest word counts; taken back, nothing is left of it."""
    run_id, another = executing.done(ledger).run_id, executing.queued(ledger, "another").run_id
    reviews.say(run_id, USER, reviewer="Ada", passed=True)
    reviews.say(run_id, OTHER_USER, reviewer="Bob", passed=False, note="week 5\nis odd")
    reviews.say(run_id, USER, reviewer="Ada", passed=False, note=" Bob is right ")
    said = {review.reviewer: (review.passed, review.note) for review in reviews.of_run(run_id)}
    assert said == {"Ada": (False, "Bob is right"), "Bob": (False, "week 5\nis odd")}
    assert reviews.of_run(another) == ()
    reviews.take_back(run_id, OTHER_USER)
    reviews.take_back(run_id, NOBODY)
    assert [review.reviewer_id for review in reviews.of_run(run_id)] == [USER]


@pytest.mark.parametrize("note", ["\x00", "\ud800", "<script>", "=cmd()", "x" * MOST_NOTE], ids=repr)
def test_any_note(ledger: Ledger, reviews: Reviews, note: str) -> None:
    """What no database holds is replaced; the rest is kept as it is."""
    run_id = executing.done(ledger).run_id
    reviews.say(run_id, USER, reviewer=note[:40], passed=True, note=note)
    (said,) = reviews.of_run(run_id)
    assert said.note == note.replace("\x00", "\ufffd").replace("\ud800", "\ufffd")


def test_what_cannot_be_said(ledger: Ledger, reviews: Reviews) -> None:
    """A note that is too long, an id that is none, a run that is not there."""
    run_id = executing.done(ledger).run_id
    with pytest.raises(RequestInvalid, match="at most 2,000 characters"):
        reviews.say(run_id, USER, reviewer="A", passed=True, note="x" * (MOST_NOTE + 1))
    with pytest.raises(SourceNotFound, match="Invalid run_id: not found"):
        reviews.say("nonsense", USER, reviewer="A", passed=True)
    with pytest.raises(LedgerUnavailable):
        reviews.say(NOBODY, USER, reviewer="A", passed=True)
    assert reviews.of_run(run_id) == ()
