"""The dashboard's only resources: one runner a process, with its services, shared by all sessions."""

from __future__ import annotations

from functools import cache

from secondlook.execution.batches import Filler
from secondlook.execution.runner import Runner
from secondlook.services import Services, connect


@cache
def runner() -> Runner:
    """The runner whose threads execute the pages' runs.

    Raises:
        SettingInvalid: A setting is not allowed.
    """
    return Runner(connect(for_pages=True))


@cache
def filler() -> Filler:
    """Fills the batches that pages begin.

    Raises:
        SettingInvalid: A setting is not allowed.
    """
    return Filler(runner())


def services() -> Services:
    """The parts that this process works with: the runner's.

    Raises:
        SettingInvalid: A setting is not allowed.
    """
    return runner().services


def clear() -> None:
    """Forget them, so that the next use reads the settings again."""
    filler.cache_clear()
    runner.cache_clear()
