"""What happens around serving: heavy imports before the first visitor, open runs taken up, runs ended."""

from __future__ import annotations

import gc
from collections.abc import AsyncGenerator
from contextlib import ExitStack, asynccontextmanager
from importlib import import_module
from typing import Any

from secondlook import log
from secondlook.dashboard import resources
from secondlook.errors import SecondlookError

_WARM = (
    "pandas",
    "altair",
    "openai",
    "genai_prices",
    "secondlook.dashboard.charts",
    "secondlook.dashboard.panels",
)


@asynccontextmanager
async def lifespan(_app: object) -> AsyncGenerator[dict[str, Any]]:
    """Warm up, sweep for runs that may go on, and on the way out wait for what is in flight."""
    log.configure()
    for module in _WARM:
        import_module(module)
    # Streamlit runs a full collection after every rerun: what was imported need not be looked at again.
    gc.collect()
    gc.freeze()
    with ExitStack() as stack:
        try:
            stack.enter_context(resources.runner().sweeping())
        except SecondlookError as error:
            log.log_failed("(start)", error.code)  # the pages say what to do
        yield {}
