"""Start and end of serving: import what is heavy, pick up open runs, wait for those in flight."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import AsyncGenerator
from contextlib import ExitStack, asynccontextmanager, suppress
from importlib import import_module
from typing import Any

from secondlook.dashboard import resources
from secondlook.domain.usage import Usage
from secondlook.errors import SecondlookError
from secondlook.telemetry import log, tracing

_WARM = (
    "PIL.Image",
    "openai",
    "pandas",
    "pyarrow.pandas_compat",
    "secondlook.dashboard.batch.start",
    "secondlook.dashboard.snapshots.comparison",
    "secondlook.dashboard.batch.unknown_outcomes",
    "secondlook.dashboard.sources.listing",
    "secondlook.dashboard.rehearsal",
    "secondlook.dashboard.trial",
    "secondlook.dashboard.runs.inspector",
    "secondlook.dashboard.usage",
    "streamlit.material_icon_names",
)
"""What the first view of a page would import; the rest comes with it. pyarrow looks for a pandas."""


_M_ARENA_MAX = -8  # glibc's malloc.h
_ARENAS = 2


@asynccontextmanager
async def lifespan(_app: object) -> AsyncGenerator[dict[str, Any]]:
    """Warm up, pick up open runs while serving, and at the end wait for those in flight."""
    log.configure()
    tracing.start()
    _share_arenas()
    with ExitStack() as stack:
        try:
            services = resources.services()
            log.configure(json_lines=services.settings.log_format == "json")
            stack.enter_context(resources.runner().sweeping())
            stack.callback(tracing.stop)
            tracing.watch_backlog(services.backlog)
            if services.requires_sign_in:
                stack.enter_context(services.row_security.watching())
            services.ping_store()
        except SecondlookError as error:
            log.log_failed("start", error.code)  # the pages say what to do
        _warm_up()
        yield {}


def _warm_up() -> None:
    for module in _WARM:
        with suppress(ImportError):  # warming up is no reason not to start
            import_module(module)
    with suppress(SecondlookError):
        agent = resources.services().selected_agent()
        agent.cost_usd(Usage(prompt_tokens=1, completion_tokens=1), agent.model)
    # These objects stay: without this, each full garbage collection would scan them for about 70 ms.
    gc.collect()
    gc.freeze()


def _share_arenas() -> None:
    """Let threads share memory arenas: each page run is a thread, and glibc's arenas hardly ever shrink."""
    with suppress(
        AttributeError, OSError, TypeError
    ):  # another C library has no such setting, or no need of it
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _ARENAS)
