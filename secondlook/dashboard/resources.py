"""The dashboard's only resources: one wiring and one runner a process, shared by all sessions."""

from __future__ import annotations

from functools import cache

from secondlook.runner import Runner
from secondlook.wiring import Wiring, connect


@cache
def wiring() -> Wiring:
    """The parts that this process works with.

    Raises:
        SettingInvalid: A setting is not allowed.
    """
    return connect(for_pages=True)


@cache
def runner() -> Runner:
    """The runner whose threads carry the pages' runs."""
    return Runner(wiring())


def clear() -> None:
    """Forget both, so that the next use reads the settings again."""
    runner.cache_clear()
    wiring.cache_clear()
