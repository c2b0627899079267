"""A batch of 320 runs, 32 at a time, against a local server that takes a second for each answer.

On the embedded ledger in one process, and on Postgres with two workers. Ideal is what the server allows: ten
seconds. The time is from the beginning of the batch to its end, queueing included.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from subprocess import PIPE, Popen

from bench.environment import clean
from bench.filled import fill_sources, source_id
from bench.line import Goal, Line, measured, not_measured
from bench.measure import cpu
from bench.provider import answering
from bench.snapshot import agent_settings
from dev.local_supabase import local_postgres, postgres_bin
from secondlook.domain.access import Access
from secondlook.domain.batches import BatchStatus
from secondlook.execution import batches
from secondlook.execution.runner import Runner
from secondlook.services import connect
from secondlook.stores.samples import PRACTICE_USERS

RUNS = 320
AT_ONCE = 32
GOAL = Goal("≥", 0.95, "of ideal")

_WHAT = f"batch of {RUNS}, {AT_ONCE} at a time, 1 s answers"
_SHARED = "on Postgres, two workers"


def lines() -> Iterator[Line]:
    """On the embedded ledger, and on a shared one."""
    with answering(seconds=1.0) as base_url:
        settings = {**agent_settings(base_url), "SECONDLOOK_CONCURRENCY": str(AT_ONCE)}
        yield _measured("embedded ledger", settings, GOAL, workers=0)
        if postgres_bin() is None:
            yield not_measured(_WHAT, _SHARED, None, "no Postgres (Debian: `apt-get install postgresql`)")
            return
        with local_postgres() as server:
            settings |= {"SECONDLOOK_LEDGER_URL": server.url(), "SECONDLOOK_CARRY": "workers"}
            yield _measured(_SHARED, settings, None, workers=2)


def _measured(where: str, settings: Mapping[str, str], goal: Goal | None, workers: int) -> Line:
    """One batch."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        fill_sources(Path(folder), RUNS)
        environment = clean(**settings, SECONDLOOK_DATA_DIR=folder)
        processes = [
            stack.enter_context(_Worker(Path(folder) / f"worker-{number}.log", environment))
            for number in range(workers)
        ]
        before = sum(cpu(worker.pid) for worker in processes)
        command = [sys.executable, "-m", "bench.batch"]
        with Popen(command, stdout=PIPE, text=True, env=environment) as process:
            said = process.communicate()[0]
        seconds, own = json.loads(said)
        spent = sum(cpu(worker.pid) for worker in processes) - before if workers else own
    ideal = RUNS / AT_ONCE
    ours = f"{seconds:.2f} s, ideal {ideal:.0f} s; CPU {spent / RUNS:.1f} ms a run"
    return measured(_WHAT, where, ours, ideal / seconds, "of ideal", goal)


class _Worker:
    """A `secondlook worker` that is ready."""

    def __init__(self, log: Path, environment: Mapping[str, str]) -> None:
        with log.open("w") as file:
            self._process = Popen(
                [sys.executable, "-m", "secondlook", "worker"], stderr=file, env=environment
            )
        self.pid = self._process.pid
        while "executes runs" not in log.read_text():
            if self._process.poll() is not None:
                raise SystemExit(f"a worker ended: {log.read_text()}")
            time.sleep(0.1)

    def __enter__(self) -> _Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()


def execute() -> None:
    """Execute one batch, and print its seconds and the milliseconds of CPU."""
    services = connect()
    # What the page and the command do before anything is sent: imports are no part of a run.
    services.agent(services.agent_name())
    names = [source_id(number) for number in range(1, RUNS + 1)]
    access = Access(PRACTICE_USERS[0])
    selection = batches.Selection(source_ids=names)
    batches.forecast(services, access, selection)
    began = time.process_time()
    started = batches.begin(services, access, selection, concurrency=AT_ONCE)
    ended = batches.execute(Runner(services), started)
    figures = (ended.elapsed_s, (time.process_time() - began) * 1000)
    done = ended.counts.get("done", 0)
    if ended.status is not BatchStatus.ENDED or done != RUNS:
        raise SystemExit(f"{done} of {RUNS} are done: {ended}")
    print(json.dumps(figures))
    services.close()


if __name__ == "__main__":
    execute()
