"""The interface of a task: one kind of question to the agent, and how its answers are validated and stored.

A run names its task. The ledger journals a run's input and answer without reading them; only the task does.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Literal, Protocol, TypeAlias, TypeVar

from secondlook.domain.answers import Completion
from secondlook.domain.base import Frozen
from secondlook.domain.questions import Question
from secondlook.domain.runs import Run
from secondlook.domain.snapshots import Snapshot
from secondlook.errors import SettingInvalid
from secondlook.tasks.checklist import Check

Mark = Literal["equal", "any", "differs", "type", "missing", "extra", "unread"]
"""What a value is: equal to the input's; any text, which the code replaces; another value; of another type;
not in the answer; not in the input; in an answer that cannot be read."""


@dataclass(frozen=True)
class Cell:
    """One value of the input or of the answer, or of both.

    Attributes:
        path: Where it is.
        entry: What it belongs to in the input, such as its week or band; empty for what is in no list.
        sent: The input's value as JSON; None where the input has none there.
        came: The answer's value as JSON, in part where it is long; None where the answer has none there.
    """

    path: str
    entry: str
    sent: str | None
    came: str | None
    mark: Mark

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.rpartition(".")[2]

    @property
    def matches(self) -> bool:
        """Whether the rules accept it."""
        return self.mark in {"equal", "any"}


@dataclass(frozen=True)
class SentenceCheck:
    """A sentence of an answer, and what became of it.

    Attributes:
        position: 0 is the headline, 1 the first sentence after it, and so on.
        text: As it came.
        shown: As people read it; None where it was refused.
        facts: The facts that it cites, by their ids.
        rule: The name of the rule that refused it; None where all accept it.
    """

    position: int
    text: str
    shown: str | None
    facts: tuple[str, ...]
    rule: str | None


@dataclass(frozen=True)
class Trace:
    """An answer compared with its input.

    Attributes:
        checks: Every rule in its order.
        cells: Every value; those that do not match first, then in the order of the schema.
        matched: Values of the input that the answer repeats.
        values: Values of the input.
        cut: Whether the answer holds more values than were looked at.
        findings: What changed, in sentences, as far as the answer's lists can be read.
        text: The text of the message, where there is one.
        sentences: The sentences of an answer that is checked sentence by sentence.
    """

    checks: tuple[Check, ...]
    cells: tuple[Cell, ...] = ()
    matched: int = 0
    values: int = 0
    cut: bool = False
    findings: tuple[str, ...] = ()
    text: str | None = None
    sentences: tuple[SentenceCheck, ...] = ()

    @property
    def accepted(self) -> bool:
        """Whether every rule holds."""
        return all(check.state == "passed" for check in self.checks)

    @property
    def failed(self) -> Check | None:
        """The rule that rejects the answer."""
        return next((check for check in self.checks if check.state == "failed"), None)

    @property
    def readable(self) -> bool:
        """Whether there is an answer whose text is JSON."""
        return bool(self.cells) and self.cells[0].mark != "unread"

    @property
    def differing(self) -> int:
        """Values that are not as they must be, where the answer could be read."""
        return sum(not cell.matches and cell.mark != "unread" for cell in self.cells)


class ProductTables(Protocol):
    """What a task may write of the product's tables."""

    def save_snapshot(self, snapshot: Snapshot) -> None:
        """Insert a snapshot; one that is there already with the same content is fine."""
        ...

    def mark_generated(self, source_id: str, user_id: str) -> bool:
        """Set the source's status to `snapshot_generated`; False where it is left alone."""
        ...


Step = Callable[[str], AbstractContextManager[None]]
"""Begins a step of a run: its name, under which its milliseconds are kept."""

Given = TypeVar("Given", bound=Frozen)
Result = TypeVar("Result")


class Task(ABC, Generic[Given, Result]):
    """One kind of question to the agent. `Given` is its input, `Result` what an accepted answer becomes.

    Attributes:
        name: Stored with each run and call.
        title: What the log calls its result.
        prompt_version: Changes with the prompt; stored with each run.
        input_type: The type of its input.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    prompt_version: ClassVar[str]
    input_type: type[Given]

    def read_input(self, written: str) -> Given:
        """The input of a run that has not been erased, from its JSON."""
        return self.input_type.model_validate_json(written)

    @abstractmethod
    def question(self, given: Given) -> Question:
        """What is asked about an input; equal inputs make equal questions."""

    @abstractmethod
    def check(self, completion: Completion, given: Given) -> object:
        """The answer that every rule of the task accepts.

        Raises:
            AnswerRejected: The first rule that does not hold.
        """

    @abstractmethod
    def result(self, run: Run, accepted: object) -> Result:
        """What an accepted answer becomes for its run: the same at any time."""

    @abstractmethod
    def trace(self, completion: Completion | None, given: Given | None) -> Trace:
        """Compare an answer with its input, as far as it can be read, for display.

        Args:
            completion: What came; None where no answer came.
            given: The input; None where it was erased.
        """

    @abstractmethod
    def keep(self, run: Run, result: Result, tables: ProductTables, step: Step) -> tuple[str, ...]:
        """Keep a result where people find it; safe to repeat. The journal keeps the answer in any case.

        Args:
            run: The answered run.
            result: What its answer became.
            tables: The product's tables, as the run's user may write them.
            step: Called around each step.

        Returns:
            Warnings to be kept with the run.

        Raises:
            SourceNotFound: There is nothing left to keep it with.
            StoreUnavailable: It can be tried again.
        """

    @abstractmethod
    def log_fields(self, result: Result) -> Mapping[str, object]:
        """What the log may say of a result: ids and counts."""


AnyTask: TypeAlias = Task[Any, Any]
"""Any task of the table; its inputs and results are only passed back to the same task."""

Tasks: TypeAlias = Mapping[str, AnyTask]
"""Tasks by their names."""


def find_task(tasks: Tasks, name: str) -> AnyTask:
    """The task of that name.

    Raises:
        SettingInvalid: There is none, because a later version wrote the run.
    """
    if name not in tasks:
        raise SettingInvalid(
            f"The run has a task that this version does not know: {name}",
            hint="Open the ledger with the version that queued the run, or a later one.",
        )
    return tasks[name]
