"""Health: whether the process is alive, and whether it can do its work. Neither says why not, but by code."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from secondlook.errors import SecondlookError
from secondlook.services import Services

_FRESH_SECONDS = 5


class Health:
    """The routes /healthz and /readyz.

    Args:
        services: The process's services; raises where the settings are not usable.
    """

    def __init__(self, services: Callable[[], Services]) -> None:
        self._services = services
        self._lock = threading.Lock()
        self._seen: tuple[float, dict[str, str]] | None = None

    def routes(self) -> list[Route]:
        """The routes."""
        return [Route("/healthz", _alive), Route("/readyz", self.ready)]

    async def ready(self, _request: Request) -> Response:
        """Settings, store and ledger, each `ok` or the code of what is wrong: 200, or 503."""
        parts = await run_in_threadpool(self._look)
        well = all(state == "ok" for state in parts.values())
        return JSONResponse({"ready": well, **parts}, 200 if well else 503, {"Cache-Control": "no-store"})

    def _look(self) -> dict[str, str]:
        # Anybody may ask: of many who ask at once one looks, and the others get what was seen last.
        seen = self._seen
        if seen is not None and time.monotonic() - seen[0] < _FRESH_SECONDS:
            return seen[1]
        if not self._lock.acquire(blocking=seen is None):
            return seen[1] if seen is not None else {}
        try:
            if self._seen is seen:
                parts = self._parts()
                self._seen = (time.monotonic(), parts)
            return self._seen[1] if self._seen is not None else {}
        finally:
            self._lock.release()

    def _parts(self) -> dict[str, str]:
        try:
            services = self._services()
        except SecondlookError as error:
            return {"settings": error.code}
        looks: dict[str, Callable[[], None]] = {
            "store": services.ping_store,
            "ledger": lambda: services.ledger.ping(),  # noqa: PLW0108 -- opening it is part of the look
        }
        return {"settings": "ok", **{name: _state(look) for name, look in looks.items()}}


def _state(look: Callable[[], None]) -> str:
    try:
        look()
    except SecondlookError as error:
        return error.code
    return "ok"


async def _alive(_request: Request) -> Response:
    return JSONResponse({"alive": True}, headers={"Cache-Control": "no-store"})
