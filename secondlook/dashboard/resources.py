"""The dashboard's only resources: one services and one runner a process, shared by all sessions."""

from __future__ import annotations

from functools import cache

from secondlook.execution.runner import Runner
from secondlook.services import Services, connect


@cache
def services() -> Services:
    """The parts that this process works with.

    Raises:
        SettingInvalid: A setting is not allowed.
    """
    return connect(for_pages=True)


@cache
def runner() -> Runner:
    """The runner whose threads execute the pages' runs."""
    return Runner(services())


def clear() -> None:
    """Forget both, so that the next use reads the settings again."""
    runner.cache_clear()
    services.cache_clear()
