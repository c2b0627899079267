"""Every route besides the pages, for the front door."""

from __future__ import annotations

from collections.abc import Callable

from starlette.routing import BaseRoute, Mount

from secondlook.execution.runner import Runner
from secondlook.services import Services
from secondlook.web.api import build_api
from secondlook.web.health import Health
from secondlook.web.sign_in import SignIn


def routes(services: Callable[[], Services], runner: Callable[[], Runner]) -> list[BaseRoute]:
    """Sign-in, the API and health.

    Args:
        services: The process's services; raises where the settings are not usable.
        runner: Its runner; likewise.
    """
    return [
        SignIn(services, runner).mount(),
        *Health(services).routes(),
        Mount("/api", build_api(services, runner)),
    ]
