"""Two tasks of one source run side by side: each has its own runs, one answered call, and its own result."""

from __future__ import annotations

import json
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import httpx2
import pytest
from pydantic import SecretStr

from secondlook.domain.answers import Completion
from secondlook.domain.base import Count, Frozen
from secondlook.domain.questions import Message, Question
from secondlook.domain.run_filter import RunFilter
from secondlook.domain.runs import SNAPSHOT, Plan, Run, RunStatus
from secondlook.domain.snapshots import SnapshotResult
from secondlook.errors import InDoubt, RequestInvalid, SettingInvalid
from secondlook.ledger.database import ledger_database
from secondlook.ledger.history import History
from secondlook.ledger.runs import Ledger
from secondlook.ledger.usage import UsageLog, UsageQuery
from secondlook.pipeline.answers import question_of, result_of, trace_of
from secondlook.pipeline.execute import execute
from secondlook.pipeline.outcome import outcome
from secondlook.pipeline.retries import Retries
from secondlook.providers.openai.protocol import OpenAI
from secondlook.settings import load_settings
from secondlook.tasks.base import ProductTables, Step, Task, Tasks, Trace
from secondlook.tasks.checklist import ANY_ANSWER, Reading, Rule, accept, check_each, reject
from secondlook.tasks.table import TASKS
from tests.examples import SOURCE, USER, body_of, echo, example_plan, some
from tests.ledger.executing import Where, in_doubt, query
from tests.recording import RecordingStore
from tests.tables import EmbeddedTables


class Facts(Frozen):
    """The input of the second task."""

    estimates: Count


def _is_number(reading: Reading) -> None:
    if type(reading.answer) is not int:
        reject("schema", "must be an integer", "$")


RULES: tuple[Rule[Reading], ...] = (*ANY_ANSWER, Rule("number", "A number", _is_number))


class Doubling(Task[Facts, int]):
    """Asks for a number, accepts any, and keeps it nowhere but in the ledger."""

    name = "doubling"
    title = "Number"
    prompt_version = "d1"
    input_type = Facts

    def question(self, given: Facts) -> Question:
        """Twice the number, please."""
        return Question(
            messages=(Message(role="user", content=f"Twice {given.estimates}"),),
            schema_name="Number",
            answer_schema={"type": "integer"},
            fixed_schema={"type": "integer"},
            prompt_tokens=7,
            answer_tokens=1,
        )

    def check(self, completion: Completion, given: Facts) -> object:  # noqa: ARG002 -- any number is right
        """Any number."""
        return accept(RULES, Reading(completion))

    def result(self, run: Run, accepted: object) -> int:  # noqa: ARG002 -- the answer alone
        """The number."""
        assert isinstance(accepted, int)
        return accepted

    def trace(self, completion: Completion | None, given: Facts | None) -> Trace:  # noqa: ARG002
        """Its rules."""
        reading = None if completion is None else Reading(completion)
        return Trace(tuple(check_each(RULES, reading)))

    def keep(self, run: Run, result: int, tables: ProductTables, step: Step) -> tuple[str, ...]:  # noqa: ARG002
        """The journal has it."""
        with step("keep"):
            return ("kept in the ledger",)

    def log_fields(self, result: int) -> dict[str, object]:  # noqa: ARG002
        """Nothing."""
        return {}


BOTH: Tasks = {**TASKS, "doubling": Doubling()}


def doubling_plan() -> Plan:
    """A run of the second task, to be queued."""
    messages = [{"role": "user", "content": "Twice 35"}]
    return example_plan(
        task="doubling",
        agent="openai",
        prompt_version="d1",
        input=Facts(estimates=35).model_dump_json(),
        request={"model": "gpt-4o-2024-08-06", "messages": messages, "max_tokens": 10},
    )


class House:
    """A source, a ledger of either kind, and an agent that answers both tasks; its requests are kept."""

    def __init__(self, ledger: Ledger, store: RecordingStore) -> None:
        self.ledger = ledger
        self.store = store
        self.asked: list[str] = []
        self.number: object = 70
        values = {"openai_api_key": SecretStr("sk-x"), "openai_base_url": "http://provider.invalid/v1"}
        self._agent = OpenAI(load_settings().model_copy(update=values))
        self._agent.transport = httpx2.MockTransport(self._answer)

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        last = json.loads(request.content)["messages"][-1]["content"]
        self.asked.append(last)
        answer = body_of(json.dumps(self.number)) if last.startswith("Twice") else body_of(echo())
        return httpx2.Response(200, content=answer.encode())

    def submit(self, plan: Plan, number: int = 1) -> Run:
        """Queue a run, or join the one that is there."""
        return self.ledger.submit(str(uuid4()), plan, number=number)

    def both(self) -> tuple[Run, Run]:
        """A run of each task."""
        return self.submit(example_plan(agent="openai")), self.submit(doubling_plan())

    def execute(self, run: Run, tasks: Tasks = BOTH) -> Run:
        """Steps 6 to 9 of a run."""
        execute(
            run.run_id,
            stores=lambda _: self.store,
            agents=lambda _: self._agent,
            ledger=self.ledger,
            retries=Retries(most=0, seconds=0),
            production=False,
            tasks=tasks,
        )
        return self.ledger.get(run.run_id)

    def close(self) -> None:
        """Close the agent."""
        self._agent.close()


@pytest.fixture
def house(ledger: Ledger, tmp_path: Path) -> Generator[House]:
    """One bucketed source, nothing run yet."""
    with (
        closing(RecordingStore(tmp_path / "store.db")) as store,
        closing(House(ledger, store)) as made,
    ):
        EmbeddedTables(tmp_path / "store.db").add_source(SOURCE)
        yield made


def test_two_tasks_of_one_source_side_by_side(house: House, where: Where, tmp_path: Path) -> None:
    """Each has its own run number 1, one answered call, and its result where the task keeps it."""
    snapshot, doubling = house.both()
    assert (snapshot.number, doubling.number) == (1, 1)
    assert [house.submit(example_plan()).run_id, house.submit(doubling_plan()).run_id] == [
        snapshot.run_id,
        doubling.run_id,
    ]
    doubled, made = house.execute(doubling), house.execute(snapshot)
    assert (doubled.status, made.status) == (RunStatus.DONE, RunStatus.DONE)
    assert len(house.asked) == 2
    calls = query(where, "select run_id, task, outcome from calls order by task")
    assert calls == [(doubling.run_id, "doubling", "answered"), (snapshot.run_id, "snapshot", "answered")]
    assert result_of(doubled, BOTH) == 70
    assert isinstance(result_of(made, BOTH), SnapshotResult)
    assert doubled.warnings == ("kept in the ledger",)
    assert set(doubled.timings) > {"call", "validate", "keep"}
    assert EmbeddedTables(tmp_path / "store.db").count("snapshots") == 1
    assert house.execute(doubling).attempts == house.execute(snapshot).attempts == 1
    assert len(house.asked) == 2


def test_the_newest_run_is_that_of_a_task(house: House) -> None:
    """Numbers count the runs of a source and a task; each task's newest is found separately."""
    snapshot, doubling = house.both()
    house.execute(doubling)
    second = house.submit(doubling_plan(), number=2)
    newest = some(house.ledger.latest(USER, SOURCE, "doubling"))
    assert (newest.run_id, newest.number) == (second.run_id, 2)
    of_snapshots = some(house.ledger.latest(USER, SOURCE))
    assert (of_snapshots.run_id, of_snapshots.task) == (snapshot.run_id, SNAPSHOT)
    assert house.submit(doubling_plan(), number=1).run_id == second.run_id
    assert house.ledger.latest(USER, SOURCE, "another") is None


def test_an_unknown_outcome_holds_up_its_own_task_alone(house: House) -> None:
    """While a snapshot's outcome is unknown, another is refused, and a run of the other task is not."""
    in_doubt(house.ledger)
    with pytest.raises(InDoubt):
        house.submit(example_plan(), number=2)
    assert house.execute(house.submit(doubling_plan())).status is RunStatus.DONE


def test_who_asks_at_once_gets_one_run_of_each_task(house: House) -> None:
    """Eight threads ask for each task: one run of each is made, and all the others join it."""
    with ThreadPoolExecutor(16) as threads:
        plans = [example_plan() if index % 2 else doubling_plan() for index in range(16)]
        made = list(threads.map(house.submit, plans))
    assert {run.task: run.run_id for run in made} == {
        task: found.run_id for task in BOTH if (found := house.ledger.latest(USER, SOURCE, task)) is not None
    }
    assert len({run.run_id for run in made}) == 2


def test_a_task_has_rules_of_its_own(house: House) -> None:
    """After the rules of every answer, its own rule rejects, and its trace says which."""
    house.number = "many"
    ended = house.execute(house.submit(doubling_plan()))
    assert ended.status is RunStatus.FAILED
    assert ended.error is not None
    assert (ended.error.code, ended.error.reason) == ("answer_rejected", "schema")
    found = trace_of(ended, BOTH)
    assert [check.state for check in found.checks] == ["passed"] * len(ANY_ANSWER) + ["failed"]
    assert not found.accepted
    assert trace_of(house.ledger.get(ended.run_id), BOTH) is found


def test_a_run_of_an_unknown_task_waits(house: House) -> None:
    """A later version has queued it: nothing is sent, and it goes on where its task is known."""
    run = house.submit(doubling_plan())
    with pytest.raises(SettingInvalid, match="doubling"):
        house.execute(run, TASKS)
    waiting = house.ledger.get(run.run_id)
    assert (waiting.status, waiting.attempts, house.asked) == (RunStatus.QUEUED, 0, [])
    assert house.execute(run).status is RunStatus.DONE


def test_another_tasks_run_made_no_snapshot(house: House) -> None:
    """Who wants a snapshot of it is told so."""
    run = house.execute(house.submit(doubling_plan()))
    with pytest.raises(RequestInvalid, match="doubling"):
        outcome(run, BOTH)


def test_runs_are_found_and_added_up_by_task(house: House, where: Where, usage: UsageLog) -> None:
    """The filter and the usage's dimension name the task; both tasks are priced and counted."""
    snapshot, doubling = house.both()
    house.execute(snapshot)
    house.execute(doubling)
    with closing(ledger_database(where)) as database:
        looked = History(database)
        assert [row.run_id for row in looked.all(RunFilter(task="doubling"))] == [doubling.run_id]
        assert [row.run_id for row in looked.all(RunFilter(task=SNAPSHOT))] == [snapshot.run_id]
        assert {row.task for row in looked.all(RunFilter())} == {"doubling", SNAPSHOT}
    today = datetime.now(UTC).date()
    added = usage.report(UsageQuery(today, today, by="task"))
    assert {row.key: (row.tally.runs, row.tally.answered) for row in added.rows} == {
        "doubling": (1, 1),
        SNAPSHOT: (1, 1),
    }


def test_the_question_of_a_run_estimates_its_tokens(house: House) -> None:
    """Forecast and budget ask the run's own task."""
    run = house.submit(doubling_plan())
    assert question_of(run, BOTH).usage.total_tokens == 8
    assert question_of(house.submit(example_plan())).prompt_tokens > 300
