"""A run's journaled answer, held against the rules of the run's task."""

from __future__ import annotations

from functools import lru_cache

from secondlook.domain.questions import Question
from secondlook.domain.runs import Plan, Run
from secondlook.tasks.base import AnyTask, Tasks, Trace, find_task
from secondlook.tasks.snapshot.rules import read_completion
from secondlook.tasks.table import TASKS


def question_of(run: Run | Plan, tasks: Tasks = TASKS) -> Question:
    """What a run asks, with the estimate of its tokens.

    Raises:
        SettingInvalid: Its task is unknown.
    """
    task = find_task(tasks, run.task)
    return task.question(task.read_input(run.input))


def result_of(run: Run, tasks: Tasks = TASKS) -> object:
    """What the answer of a run became, from the journal alone: the same at any time, and of its task's type.

    Raises:
        AnswerRejected: The answer breaks a rule.
        SettingInvalid: Its task is unknown.
    """
    task = find_task(tasks, run.task)
    return task.result(run, task.check(read_completion(run.answer or ""), task.read_input(run.input)))


def trace_of(run: Run, tasks: Tasks = TASKS) -> Trace:
    """Every rule and value of a run's answer, for people to see; made once for equal answers.

    Raises:
        SettingInvalid: Its task is unknown.
    """
    written = None if run.erased_at is not None else run.input
    return _trace(find_task(tasks, run.task), written, run.answer)


@lru_cache(maxsize=8)
def _trace(task: AnyTask, written: str | None, body: str | None) -> Trace:
    return task.trace(
        None if body is None else read_completion(body),
        None if written is None else task.read_input(written),
    )
