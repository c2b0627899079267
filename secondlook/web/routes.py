"""Every route besides the pages, for the front door."""

from __future__ import annotations

from collections.abc import Callable

from starlette.routing import BaseRoute, Mount

from secondlook.runner import Runner
from secondlook.web.api import build_api
from secondlook.web.health import Health
from secondlook.web.sign_in import SignIn
from secondlook.wiring import Wiring


def routes(wiring: Callable[[], Wiring], runner: Callable[[], Runner]) -> list[BaseRoute]:
    """Sign-in, the API and health.

    Args:
        wiring: The process's wiring; raises where the settings are not usable.
        runner: Its runner; likewise.
    """
    return [
        SignIn(wiring, runner).mount(),
        *Health(wiring).routes(),
        Mount("/api", build_api(wiring, runner)),
    ]
