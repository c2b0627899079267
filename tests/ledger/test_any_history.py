"""Whatever happens to runs, in any order, the guarantees hold."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    rule,
    run_state_machine_as_test,
)

from secondlook.domain.runs import Run, RunStatus
from secondlook.errors import InDoubt
from secondlook.ledger.runs import open_ledger
from tests.examples import USER, example_answer, example_plan
from tests.ledger.executing import (
    BUSY,
    REFUSED,
    UNKNOWN,
    Where,
    claimable,
    expire,
    finish,
    next_number,
    query,
    reject,
)

SOURCES = [f"source-{number}" for number in range(2)]


class Histories(RuleBasedStateMachine):
    """Drives a ledger as users, workers, dying processes and slow providers do.

    Args:
        where: An empty database.
    """

    holders: Bundle[Run] = Bundle("holders")
    requests: Bundle[tuple[str, int]] = Bundle("requests")
    looks: Bundle[tuple[str, int]] = Bundle("looks")

    def __init__(self, where: Where) -> None:
        super().__init__()
        self.where = where
        self.ledger = open_ledger(where, lease_seconds=3600)
        self.resends: dict[str, int] = {}
        self.started: dict[str, int] = {}
        self.answers: dict[str, str] = {}

    def teardown(self) -> None:
        """Close the ledger."""
        self.ledger.close()

    def _some_run(self, data: st.DataObject) -> Run | None:
        runs = self.ledger.list(USER)
        return data.draw(st.sampled_from(runs)) if runs else None

    @rule(target=looks, source=st.sampled_from(SOURCES))
    def look(self, source: str) -> tuple[str, int]:
        """A user presses the button: the source's newest run is looked up, and anything may happen now."""
        return source, next_number(self.ledger, source)

    @rule(source=st.sampled_from(SOURCES))
    def press(self, source: str) -> None:
        """A user presses the button, and nothing happens before the run is queued."""
        self.submit(self.look(source))

    @rule(look=consumes(looks))
    def submit(self, look: tuple[str, int]) -> None:
        """What was pressed is queued where nobody has queued a run since; otherwise the newest is joined."""
        source, number = look
        newest = self.ledger.latest(USER, source)
        before = len(self.ledger.list(USER))
        run_id = str(uuid4())
        begins = newest is None or (newest.status.final and newest.number < number)
        try:
            run = self.ledger.submit(run_id, example_plan(source), number=number)
        except InDoubt as error:
            assert newest is not None
            assert newest.status is RunStatus.IN_DOUBT
            assert error.run_id == newest.run_id  # noqa: PT017 -- or there is no doubt
        else:
            assert newest is None or newest.status is not RunStatus.IN_DOUBT
            assert (run.run_id, run.number) == (
                (run_id, number) if newest is None or begins else (newest.run_id, newest.number)
            )
        assert len(self.ledger.list(USER)) == before + begins

    @rule(target=holders, data=st.data())
    def claim(self, data: st.DataObject) -> Run:
        """Somebody picks up what may go on; otherwise a stranger tries with an old view of a run."""
        waiting = self.ledger.claimable()
        if waiting:
            run_id, user_id, status, _ = data.draw(st.sampled_from(waiting))
            held = self.ledger.claim(run_id, uuid4().hex)
            assert held is not None
            assert held.status in {RunStatus.QUEUED, RunStatus.CALLING, RunStatus.ANSWERED}
            assert (held.user_id, held.status) == (user_id, status)
            return held
        run = self._some_run(data) or self.ledger.submit(str(uuid4()), example_plan(SOURCES[0]), number=1)
        return run.model_copy(update={"owner": "a stranger"})

    @rule(data=st.data())
    def crash(self, data: st.DataObject) -> None:
        """A worker dies and its lease runs out; it may come back from the dead all the same."""
        run = self._some_run(data)
        if run is not None:
            expire(self.where, run.run_id)

    @rule(target=requests, held=holders)
    def begin(self, held: Run) -> tuple[str, int]:
        """A worker sends."""
        before = self.ledger.get(held.run_id)
        number = self.ledger.begin_call(held)
        if number is None:
            return held.run_id, 0
        assert (before.status, before.owner) == (RunStatus.QUEUED, held.owner)
        self.started[held.run_id] = self.started.get(held.run_id, 0) + 1
        assert number == self.started[held.run_id]
        return held.run_id, number

    @rule(request=consumes(requests))
    def journal(self, request: tuple[str, int]) -> None:
        """An answer comes, in time or late."""
        run_id, number = request
        if number == 0:
            return
        before = self.ledger.get(run_id)
        body = f"answer {number} of {run_id}"
        self.ledger.journal(run_id, number, example_answer(body))
        after = self.ledger.get(run_id)
        if before.status in {RunStatus.QUEUED, RunStatus.CALLING, RunStatus.IN_DOUBT}:
            assert (after.status, after.answer) == (RunStatus.ANSWERED, body)
            self.answers[run_id] = body
        else:
            assert (after.status, after.answer) == (before.status, before.answer)
        assert query(self.where, "select body from calls where run_id = ? and number = ?", *request) == [
            (body,)
        ]

    @rule(held=holders, known=st.booleans())
    def end(self, held: Run, *, known: bool) -> None:
        """A worker gets no answer."""
        before = self.ledger.get(held.run_id)
        self.ledger.end_call(held, held.attempts + 1, REFUSED if known else UNKNOWN)
        after = self.ledger.get(held.run_id)
        if before.status is RunStatus.CALLING and before.owner == held.owner:
            assert after.status is (RunStatus.FAILED if known else RunStatus.IN_DOUBT)
        else:
            assert after.status is before.status

    @rule(held=holders)
    def postpone(self, held: Run) -> None:
        """A worker's request was certainly not processed: the run may be sent again, by anyone."""
        before = self.ledger.get(held.run_id)
        self.ledger.postpone(held, held.attempts + 1, BUSY, 0)
        after = self.ledger.get(held.run_id)
        if before.status is RunStatus.CALLING and before.owner == held.owner:
            assert (after.status, after.owner) == (RunStatus.QUEUED, None)
            self.resends[held.run_id] = self.resends.get(held.run_id, 0) + 1
        else:
            assert (after.status, after.owner) == (before.status, before.owner)

    @rule(held=holders)
    def abandon(self, held: Run) -> None:
        """Whoever picks up a run that was calling can only find its outcome unknown."""
        if held.status is RunStatus.CALLING:
            self.ledger.abandon_call(held)

    @rule(held=holders, accepted=st.booleans())
    def store(self, held: Run, *, accepted: bool) -> None:
        """A worker stores an answer, or rejects it."""
        before = self.ledger.get(held.run_id)
        (finish if accepted else reject)(self.ledger, held)
        after = self.ledger.get(held.run_id)
        if before.status is RunStatus.ANSWERED and before.owner == held.owner:
            assert after.status is (RunStatus.DONE if accepted else RunStatus.FAILED)
        else:
            assert after.status is before.status

    @rule(data=st.data())
    def resend(self, data: st.DataObject) -> None:
        """A person sends again, knowing what it may cost."""
        run = self._some_run(data)
        if run is None:
            return
        after = self.ledger.resend(run.run_id, USER)
        if run.status is RunStatus.IN_DOUBT:
            self.resends[run.run_id] = self.resends.get(run.run_id, 0) + 1
            assert after.status is RunStatus.QUEUED
        else:
            assert after.status is run.status

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        """A person cancels."""
        run = self._some_run(data)
        if run is None:
            return
        after = self.ledger.cancel(run.run_id, USER)
        given_up = run.status in {RunStatus.QUEUED, RunStatus.IN_DOUBT}
        assert after.status is (RunStatus.CANCELLED if given_up else run.status)

    @rule()
    def restart(self) -> None:
        """The process ends; another opens the same database."""
        self.ledger.close()
        self.ledger = open_ledger(self.where, lease_seconds=3600)

    @invariant()
    def at_most_one_call_for_each_decision(self) -> None:
        """One call, and one more for each time that a person or a refusal let it be sent again."""
        for run in self.ledger.list(USER):
            assert run.attempts == self.started.get(run.run_id, 0)
            assert run.attempts <= 1 + self.resends.get(run.run_id, 0)

    @invariant()
    def no_answer_is_lost_or_replaced(self) -> None:
        """The answer that counted first counts for good."""
        for run in self.ledger.list(USER):
            assert run.answer == self.answers.get(run.run_id)
            assert (run.generated_at is None) == (run.answer is None)
            assert run.status is not RunStatus.DONE or run.answer is not None

    @invariant()
    def at_most_one_unfinished_run_per_source(self) -> None:
        """Nobody has two runs of a source open."""
        for source in SOURCES:
            runs = [run for run in self.ledger.list(USER) if run.source_id == source]
            assert sum(not run.status.final for run in runs) <= 1

    @invariant()
    def runs_are_numbered(self) -> None:
        """From 1, without a gap; the newest is the one that is looked up, and only it can be unsettled."""
        for source in SOURCES:
            runs = [run for run in self.ledger.list(USER) if run.source_id == source]
            assert sorted(run.number for run in runs) == list(range(1, len(runs) + 1))
            newest = max(runs, key=lambda run: run.number, default=None)
            latest = self.ledger.latest(USER, source)
            assert (latest and latest.run_id) == (newest and newest.run_id)
            assert all(run.status.final or run == newest for run in runs)

    @invariant()
    def nothing_is_stuck(self) -> None:
        """Whatever is neither finished nor of unknown outcome can be picked up, or somebody holds it."""
        waiting = set(claimable(self.ledger))
        for run in self.ledger.list(USER):
            if not run.status.final and run.status is not RunStatus.IN_DOUBT:
                assert run.run_id in waiting or run.owner is not None


def test_any_history(new_database: Callable[[], Where]) -> None:
    """On either kind of database."""

    class Here(Histories):
        def __init__(self) -> None:
            super().__init__(new_database())

    # Fewer on a server: every look at the ledger goes there and back four times.
    examples = 20 if isinstance(new_database(), Path) else 8
    run_state_machine_as_test(Here, settings=settings(max_examples=examples, stateful_step_count=30))
