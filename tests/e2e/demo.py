"""A served dashboard with something on every page, made once for all tests that only look."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from secondlook.domain.access import Access
from secondlook.execution.runner import Runner
from secondlook.services import Services
from secondlook.settings import load_settings
from tests.processes import USER, rows, samples
from tests.web.serving import serving

_DAY = 86_400.0
_OFF = ("SECONDLOOK_", "OPENAI_", "SUPABASE_", "NEXT_PUBLIC_SUPABASE_")


@dataclass(frozen=True)
class Demo:
    """What is served, and what its pages show."""

    url: str
    source: str
    """Its id; it has two snapshots, and its buckets are those of the second."""
    name: str
    busiest: str
    """Its busiest week, as the page says it."""
    changed: str
    """The name of a source whose buckets have moved since its snapshot."""
    fresh: str
    """The name of the first source that is ready."""
    first: str
    second: str
    """The snapshots of the source."""
    refused: str
    """A rehearsal whose answer was refused."""


@dataclass
class _Seed:
    """Makes what the pages show, in a store and a ledger of its own."""

    services: Services
    data: Path

    def snapshot(self, source_id: str, *, days_ago: float, again: bool = False) -> str:
        """A snapshot of some days ago, by the offline agent."""
        runner = Runner(self.services)
        run = runner.submit(source_id, Access(USER), regenerate=again)
        runner.execute(run.run_id)
        self._shift(run.run_id, days_ago)
        return run.run_id

    def rehearsal(self, source_id: str, model: str) -> str:
        """A run whose agent misbehaves."""
        run = Runner(self.services).submit(source_id, Access(USER), rehearsal=model)
        Runner(self.services).execute(run.run_id)
        return run.run_id

    def move_buckets(self, source_id: str) -> None:
        """One estimate more is below 500, one less above."""
        rows(
            self.data / "store.db",
            "update estimate_buckets set price_band_lt_500 = price_band_lt_500 + 1, "
            "price_band_5000_plus = price_band_5000_plus - 1 where source_id = ?",
            source_id,
        )

    def _shift(self, run_id: str, days: float) -> None:
        ledger, store = self.data / "ledger.db", self.data / "store.db"
        seconds = str(days * _DAY)
        rows(
            ledger,
            "update runs set created_at = created_at - ?1, started_at = started_at - ?1, "
            "finished_at = finished_at - ?1 where run_id = ?2",
            seconds,
            run_id,
        )
        rows(
            ledger,
            "update calls set sent_at = sent_at - ?1, ended_at = ended_at - ?1 where run_id = ?2",
            seconds,
            run_id,
        )
        (finished,) = rows(ledger, "select finished_at from runs where run_id = ?", run_id)
        moment = datetime.fromtimestamp(finished["finished_at"], UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        rows(
            store,
            "update snapshots set generated_at = ?1, "
            "result = json_set(result, '$.meta.generated_at', ?1) where id = ?2",
            moment,
            run_id,
        )


def _fill(data: Path) -> dict[str, str]:
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(_OFF):
                patch.delenv(name)
        patch.chdir(data)
        patch.setenv("SECONDLOOK_DATA_DIR", str(data))
        patch.setenv("SECONDLOOK_AGENT", "offline")
        patch.setenv("SECONDLOOK_USER", USER)
        settings = load_settings()
    ready = sorted(samples(), key=lambda sample: sample.name)
    with closing(Services(settings)) as services:
        services.ping_store()
        seed = _Seed(services, data)
        first = seed.snapshot(ready[0].source_id, days_ago=16)
        seed.move_buckets(ready[0].source_id)
        for number, sample in enumerate(ready[4:12]):
            seed.snapshot(sample.source_id, days_ago=19 - 2.4 * number)
        seed.snapshot(ready[1].source_id, days_ago=9)
        seed.move_buckets(ready[1].source_id)
        second = seed.snapshot(ready[0].source_id, days_ago=2, again=True)
        seed.rehearsal(ready[13].source_id, "rehearsal-reset")
        refused = seed.rehearsal(ready[12].source_id, "rehearsal-count-changed")
    weeks = ready[0].answer["demand"]["weekly_volume"]
    most = max(week["count"] for week in weeks)
    top = [week["week"] for week in weeks if week["count"] == most]
    return {
        "source": ready[0].source_id,
        "name": ready[0].name,
        "busiest": f"{top[0]} ({most})" if len(top) == 1 else f"{len(top)} tie",
        "changed": ready[1].name,
        "fresh": ready[2].name,
        "first": first,
        "second": second,
        "refused": refused,
    }


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Generator[Demo]:
    """The dashboard as a demo shows it: sample data, no key, something on every page."""
    folder = tmp_path_factory.mktemp("demo")
    data = folder / "data"
    data.mkdir()
    made = _fill(data)
    with serving(folder, {"SECONDLOOK_AGENT": "offline", "SECONDLOOK_USER": USER}) as served:
        yield Demo(served.url, **made)
