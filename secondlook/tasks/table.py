"""The table of all tasks."""

from __future__ import annotations

from secondlook.tasks.base import Tasks
from secondlook.tasks.snapshot.task import SnapshotTask

TASKS: Tasks = {task.name: task for task in (SnapshotTask(),)}
"""Every task by its name."""
