"""`secondlook bucket` and `secondlook delete`, with what they print and what is left."""

from __future__ import annotations

import pytest

from secondlook.domain.access import Access
from secondlook.errors import SourceNotFound
from secondlook.execution.runner import Runner
from tests.examples import OTHER_USER, SOURCE, USER
from tests.processes import Home
from tests.tables import EmbeddedTables

TABLES = ("sources", "estimates_normalized", "estimate_buckets", "snapshots")


@pytest.fixture
def tables(home: Home) -> EmbeddedTables:
    """The store's tables, with a source that has 30 estimates and no buckets."""
    made = EmbeddedTables(home.data / "store.db")
    made.add_source(SOURCE, status="ingested", with_buckets=False, name="Theirs")
    made.add_estimates(SOURCE, 30)
    return made


def counts(tables: EmbeddedTables) -> list[int]:
    """How many rows each table holds."""
    return [tables.count(each) for each in TABLES]


def test_bucket_makes_a_source_that_can_be_run(home: Home, tables: EmbeddedTables) -> None:
    """It prints the source as an import does; then its snapshot can be generated."""
    expected = {"source_id": SOURCE, "source_name": "Theirs", "status": "bucketed", "estimate_count": 30}
    assert home.call("bucket", SOURCE).fields == expected
    assert tables.status(SOURCE) == "bucketed"
    home.set(SECONDLOOK_AGENT="offline")
    assert home.call("snapshot", SOURCE).code == 0
    assert home.call("bucket", SOURCE).fields == {**expected, "status": "snapshot_generated"}


@pytest.mark.parametrize("command", ["bucket", "delete"])
@pytest.mark.parametrize("source_id", [SOURCE, "x"], ids=["another's", "malformed"])
def test_only_ones_own(home: Home, tables: EmbeddedTables, command: str, source_id: str) -> None:
    """Another user's source is not found, and stays."""
    before = counts(tables)
    error = home.call(command, source_id, "--user", OTHER_USER).error
    assert (error["code"], error["message"]) == ("source_not_found", "Invalid source_id: not found")
    assert counts(tables) == before


def test_delete_leaves_the_ledger_alone(home: Home, tables: EmbeddedTables) -> None:
    """Rows, buckets and snapshots go; what was sent and answered stays, unless it is to go too."""
    home.set(SECONDLOOK_AGENT="offline")
    before = counts(tables)
    home.call("bucket", SOURCE)
    assert home.call("snapshot", SOURCE).code == 0
    run_id = home.runs()[0]["run_id"]
    assert home.call("delete", SOURCE).fields == {"source_id": SOURCE, "erased": None}
    assert counts(tables) == [before[0] - 1, 0, before[2], 0]
    assert home.services().ledger.get(run_id).request["messages"]
    assert home.services().store(Access(USER)).load(SOURCE, USER) is None


def test_delete_erases_the_runs_where_it_is_told(home: Home, tables: EmbeddedTables) -> None:
    """Inputs, requests and answers of this source's runs alone; their figures stay."""
    home.set(SECONDLOOK_AGENT="offline")
    assert tables.count("sources")
    home.call("bucket", SOURCE)
    assert home.call("snapshot", SOURCE).code == home.snapshot().code == 0
    mine, other = (run["run_id"] for run in home.runs())
    erased = home.call("delete", SOURCE, "--erase-runs").fields["erased"]
    assert (erased["runs"], erased["answers"], erased["unsettled"]) == (1, 1, 0)
    ledger = home.services().ledger
    assert ledger.get(mine).request == {}
    assert ledger.get(mine).usage is not None
    assert ledger.get(other).request["messages"]


def test_an_open_run_blocks_deletion(home: Home, tables: EmbeddedTables) -> None:
    """Its snapshot would have nowhere to go; the message names it. Once canceled, the source can go."""
    home.call("bucket", SOURCE)
    run = Runner(home.services()).submit(SOURCE, Access(USER))
    before = counts(tables)
    error = home.call("delete", SOURCE).error
    assert (error["code"], error["message"]) == (
        "source_in_use",
        f"The source has a run that has not ended ({run.run_id})",
    )
    assert counts(tables) == before
    assert home.call("cancel", run.run_id).code == 0
    assert home.call("delete", SOURCE).code == 0


def test_a_run_whose_outcome_is_unknown_blocks_deletion(home: Home, tables: EmbeddedTables) -> None:
    """A late answer may still come."""
    home.call("bucket", SOURCE)
    home.provider.behaviour = lambda exchange: exchange.reset()
    assert home.call("snapshot", SOURCE).error["code"] == "in_doubt"
    assert home.call("delete", SOURCE).error["code"] == "source_in_use"
    assert tables.status(SOURCE) == "bucketed"


def test_nothing_of_the_rows_is_left_in_the_file(home: Home, tables: EmbeddedTables) -> None:
    """What was deleted is overwritten."""
    tables.run("update estimates_normalized set job_type = 'Canary Roofing ' || estimate_id")
    assert home.call("delete", SOURCE).code == 0
    home.services().close()
    kept = [path.read_bytes() for path in home.data.iterdir() if path.name.startswith("store.db")]
    assert not any(b"Canary Roofing" in each for each in kept)


def test_what_people_read(home: Home, tables: EmbeddedTables, capsys: pytest.CaptureFixture[str]) -> None:
    """Without --json: one line each."""
    from secondlook.cli import main

    assert tables.count("estimates_normalized") == 30
    assert main(["bucket", SOURCE]) == 0
    assert main(["bucket", SOURCE]) == 0
    assert main(["delete", SOURCE, "--erase-runs"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "Bucketed: 30 estimates of Theirs",
        "Nothing has changed: 30 estimates of Theirs",
        "Deleted: Theirs",
        "Erased: inputs and requests of 0 runs, 0 answers",
    ]
    with pytest.raises(SourceNotFound):
        home.services().estimates(Access(USER)).delete(SOURCE, USER)
