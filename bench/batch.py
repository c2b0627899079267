"""A batch of 320 runs, 32 at a time, against a local server that takes a second for each answer.

On the embedded ledger in one process, and on Postgres with two workers. Ideal is what the server allows:
ten seconds. CPU is all that the carrying processes take from the beginning of the batch to its end,
queueing and webhook included; `secondlook batch` on Postgres only submits and watches, and is not in it.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from subprocess import PIPE, Popen

from bench.provider import start
from bench.rerun import cpu, fill
from bench.table import quantiles, show
from dev.local_supabase import local_postgres, postgres_bin
from secondlook import batch
from secondlook.access import Access
from secondlook.models import BatchStatus, RunStatus
from secondlook.runner import Runner
from secondlook.stores.samples import SAMPLE_USERS
from secondlook.wiring import connect

RUNS = 320
AT_ONCE = 32
USER = next(iter(SAMPLE_USERS))


def main() -> None:
    """Print rate and CPU of both."""
    provider, base_url = start(seconds=1.0)
    os.environ.update(
        SECONDLOOK_AGENT="openai",
        OPENAI_API_KEY="sk-local",
        OPENAI_BASE_URL=base_url,
        SECONDLOOK_CONCURRENCY=str(AT_ONCE),
    )
    try:
        rows = [measured("embedded ledger, one process", workers=0)]
        if postgres_bin() is not None:
            with local_postgres() as server:
                os.environ["SECONDLOOK_LEDGER_URL"] = server.url()
                os.environ["SECONDLOOK_CARRY"] = "workers"
                rows.append(measured("Postgres, two workers", workers=2))
        show(["batch of 320, 32 at a time, 1 s each", "seconds", "of the ideal rate", "CPU ms a run"], rows)
        print()
        show(
            ["queued runs", "next turn and claim, ms", "what the page Batch reads, ms"],
            [queued(100), queued(10_000)],
        )
    finally:
        provider.terminate()
        provider.wait()


def measured(name: str, workers: int) -> list[str]:
    """One batch's figures."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SECONDLOOK_DATA_DIR"] = folder
        fill(Path(folder), sources=RUNS)
        command = [sys.executable, "-m", "secondlook", "worker"]
        logs = [Path(folder) / f"worker-{number}.log" for number in range(workers)]
        started = [Popen(command, stderr=log.open("w")) for log in logs]
        try:
            while not all("carries runs" in log.read_text() for log in logs):
                time.sleep(0.1)
            before = used(started)
            seconds, own = json.loads(_in_a_process())
            spent = used(started) - before if workers else own
        finally:
            for worker in started:
                worker.terminate()
                worker.wait()
    ideal = RUNS / AT_ONCE
    return [name, f"{seconds:.2f}", f"{ideal / seconds:.0%}", f"{spent / RUNS * 1000:.1f}"]


def queued(number: int) -> list[str]:
    """Medians of what a queue of that length could slow, on the embedded ledger."""
    for name in ("SECONDLOOK_LEDGER_URL", "SECONDLOOK_CARRY"):
        os.environ.pop(name, None)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SECONDLOOK_DATA_DIR"] = folder
        fill(Path(folder), sources=number)
        wiring = connect()
        batch.begin(wiring, Access(USER), batch.Selection(), concurrency=1000)
        taken: list[float] = []
        read: list[float] = []
        for turn in range(1, 41):
            began = time.perf_counter()
            (run_id,) = wiring.batches.release(turn)
            wiring.ledger.claim(run_id, "bench")
            taken.append((time.perf_counter() - began) * 1000)
            began = time.perf_counter()
            wiring.batches.list(USER)
            wiring.batches.statuses(USER)
            wiring.ledger.going_on(USER)
            wiring.ledger.list(USER, status=RunStatus.IN_DOUBT)
            read.append((time.perf_counter() - began) * 1000)
        wiring.close()
    return [f"{number:,}", f"{quantiles(taken)[1]:.1f}", f"{quantiles(read)[1]:.1f}"]


def used(processes: Sequence[Popen[bytes]]) -> float:
    """Seconds of CPU that processes have taken."""
    return sum(cpu(process.pid) for process in processes) / 1000


def _in_a_process() -> str:
    with Popen([sys.executable, "-m", "bench.batch"], stdout=PIPE, text=True) as process:
        assert process.stdout is not None  # noqa: S101 -- it was asked for
        return process.stdout.read()


def carry() -> None:
    """Carry one batch, and print its seconds and those of CPU."""
    wiring = connect()
    wiring.agent(wiring.agent_name())  # imports are no part of a run
    names = [f"{number:08x}-0000-4000-8000-000000000000" for number in range(RUNS)]
    cpu_began = time.process_time()
    begun = batch.begin(wiring, Access(USER), batch.Selection(source_ids=names), concurrency=AT_ONCE)
    ended = batch.carry(Runner(wiring), begun)
    figures = (ended.elapsed_s, time.process_time() - cpu_began)
    done = ended.counts.get("done", 0)
    if ended.status is not BatchStatus.ENDED or done != RUNS:
        raise SystemExit(f"{done} of {RUNS} are done: {ended}")
    print(json.dumps(figures))
    wiring.close()


if __name__ == "__main__":
    carry()
