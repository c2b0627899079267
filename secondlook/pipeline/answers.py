"""Validates a run's journaled answer by the rules of the run's task."""

from __future__ import annotations

from functools import lru_cache

from secondlook.domain.questions import Question
from secondlook.domain.runs import Plan, Run
from secondlook.errors import AnswerRejected
from secondlook.providers.table import find_provider
from secondlook.tasks.base import AnyTask, Tasks, Trace, find_task
from secondlook.tasks.table import TASKS


def question_of(run: Plan, tasks: Tasks = TASKS) -> Question:
    """The question of a run, with its estimated tokens.

    Raises:
        SettingInvalid: Its task is unknown.
    """
    task = find_task(tasks, run.task)
    return task.question(task.read_input(run.input))


def result_of(run: Run, tasks: Tasks = TASKS) -> object:
    """The validated result of a run's answer, from the journal alone: the same at any time.

    Raises:
        AnswerRejected: The answer breaks a rule.
        SettingInvalid: Its task is unknown.
    """
    task, provider = find_task(tasks, run.task), find_provider(run.agent)
    completion = provider.read(run.answer or "")
    try:
        accepted = task.check(completion, task.read_input(run.input))
    except AnswerRejected as error:
        provider.advise(error, completion, run.request)
        raise
    return task.result(run, accepted)


def trace_of(run: Run, tasks: Tasks = TASKS) -> Trace:
    """Every rule and value of a run's answer, for display; cached for equal answers.

    Raises:
        SettingInvalid: Its task is unknown.
    """
    written = None if run.erased_at is not None else run.input
    return _trace(find_task(tasks, run.task), run.agent, written, run.answer)


@lru_cache(maxsize=8)
def _trace(task: AnyTask, agent: str, written: str | None, body: str | None) -> Trace:
    return task.trace(
        None if body is None else find_provider(agent).read(body),
        None if written is None else task.read_input(written),
    )
