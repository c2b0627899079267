"""One snapshot on the embedded store next to other libraries' bare structured calls of the same request.

The model's own time is nearly nothing: a local server answers all of them at once from memory. Ours loads the
source, notes the run in the ledger, makes the call, journals and validates the answer, stores the snapshot
and marks the source; theirs is the call and the answer as a pydantic model.
"""

from __future__ import annotations

import os
import re
import statistics
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench.environment import ROOT
from bench.line import Goal, Line, compared, not_measured
from bench.provider import answering
from bench.turns import Child, in_turn, serve
from secondlook.domain.access import Access
from secondlook.execution.runner import Runner
from secondlook.services import connect

SOURCE = "4bb9bd05-cd46-52e5-8032-8c5993b8c91a"
USER = "a0000000-0000-4000-8000-000000000001"
TURNS = 200
WHAT = "one snapshot, embedded store: load, ledger, call, validate, store"

BELOW = Goal("<", 1)
RIVALS = {
    "openai_create": ("openai", "openai {}, create", None),
    "openai_parse": ("openai", "openai {}, .parse", None),
    "instructor": ("instructor", "instructor {}, bare call", BELOW),
    "pydantic_ai": ("pydantic-ai", "pydantic-ai {}, bare call", BELOW),
    "langchain_openai": ("langchain-openai", "langchain-openai {}, bare call", BELOW),
}
"""Modules of bench.rivals: their environment, how they are called, and what ours must be of theirs."""


def lines() -> Iterator[Line]:
    """A line for each rival."""
    with ExitStack() as stack:
        base_url = stack.enter_context(answering())
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        settings = agent_settings(base_url) | {"SECONDLOOK_DATA_DIR": folder}
        asked = {"base_url": base_url, "request": request_of(settings)}
        told = {"source": SOURCE, "user": USER, "settings": settings}
        contenders = {"ours": stack.enter_context(Child("bench.snapshot", told)).once}
        for name, (environment, _, _) in RIVALS.items():
            if (home := home_of(environment)).joinpath("installed").exists():
                python = home / "bin" / "python"
                child = stack.enter_context(Child(f"bench.rivals.{name}", asked, python))
                contenders[name] = child.once
        medians = {name: statistics.median(each) for name, each in in_turn(contenders, TURNS).items()}
    for name, (environment, words, goal) in RIVALS.items():
        against = words.format(version_of(environment))
        if name in medians:
            yield compared(WHAT, against, medians["ours"], medians[name], "ms", goal)
        else:
            yield not_measured(WHAT, against, goal, "no environment: `make bench-rivals`")


def agent_settings(base_url: str) -> dict[str, str]:
    """Settings by which the local server is the model."""
    return {"SECONDLOOK_AGENT": "openai", "OPENAI_API_KEY": "sk-local", "OPENAI_BASE_URL": base_url}


def request_of(settings: dict[str, str]) -> dict[str, Any]:
    """The request that a run of the source sends: the ledger has it."""
    os.environ.update(settings)
    services = connect()
    try:
        return dict(Runner(services).submit(SOURCE, Access(USER)).request)
    finally:
        services.close()


def home_of(environment: str) -> Path:
    """The folder of a rival's environment; the file `installed` in it says that it is whole."""
    return ROOT / ".venv" / "rivals" / environment


def version_of(environment: str) -> str:
    """The version that a rival's lock has."""
    lock = (ROOT / "bench" / "rivals" / f"{environment}.txt").read_text()
    found = re.search(rf"^{environment}(?:-slim)?==(\S+)", lock, re.MULTILINE)
    return "" if found is None else found[1]


def make(told: dict[str, Any]) -> Callable[[], object]:
    """One snapshot of the source, again and again, as a page or the command line makes it."""
    os.environ.update(told["settings"])
    services = connect()
    runner = Runner(services)
    access = Access(told["user"])

    def once() -> None:
        run = runner.execute(runner.submit(told["source"], access, regenerate=True).run_id)
        if run.status != "done":
            raise SystemExit(f"the run is {run.status}")

    return once


if __name__ == "__main__":
    serve(make)
