"""The table of all tasks."""

from __future__ import annotations

from secondlook.tasks.base import Tasks
from secondlook.tasks.insights.task import InsightsTask
from secondlook.tasks.snapshot.task import SnapshotTask
from secondlook.tasks.trial.task import TrialTask

TASKS: Tasks = {task.name: task for task in (SnapshotTask(), InsightsTask(), TrialTask())}
"""Every task by its name."""
