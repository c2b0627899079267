"""`secondlook import`: what it prints, stores and never says."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter

import pytest

from secondlook.cli import main
from tests.documents import ROOT
from tests.processes import Home

EXPORTS = Path(__file__).parent / "exports"
CRM = ROOT / "tests" / "data" / "crm_sales_opportunities.csv"
CANARY = "Zanzibar-Quillon"


def estimates(count: int, *, more: str = "") -> str:
    """A file of won estimates that names a canary in each row."""
    rows = (
        f"{CANARY}-{n},2026-03-01,2026-03-0{1 + n % 9},{100 + n},won,{CANARY} roof\n" for n in range(count)
    )
    return "estimate #,created at,closed at,amount,status,job type\n" + "".join(rows) + more


def test_a_dry_run(home: Home) -> None:
    """Each row has a fate, the sources have no id, and nothing is stored."""
    fields = home.call("import", str(EXPORTS / "2ndlook.csv"), "--dry-run", "--skip-refused").fields
    assert fields["sources"] == [
        {"source_id": None, "source_name": "2ndlook", "status": None, "estimate_count": 3}
    ]
    assert (fields["rows"], fields["taken"], fields["repeated"], fields["refused_count"]) == (6, 3, 1, 2)
    assert fields["refused"] == [
        {"line": 6, "column": "closed_at", "reason": "closed before it was created", "alike": 1},
        {"line": 7, "column": "amount", "reason": "a negative amount", "alike": 1},
    ]
    assert fields["columns"]["job_type"] == "job_type"
    assert home.store("select * from estimates_normalized where estimate_id = 'E-1'") == []


def test_refused_rows_must_be_skipped_by_word(home: Home) -> None:
    """Until then nothing is stored; the sum of the fates is the rows."""
    file = str(EXPORTS / "jobber.csv")
    error = home.call("import", file).error
    assert (error["code"], error["message"]) == ("import_refused", "1 of 7 rows were refused.")
    assert "--decided, --undecided): Archived" in error["hint"]
    fields = home.call("import", file, "--undecided", "Archived").fields
    assert (fields["taken"], sum(fields["left_out"].values()), fields["refused"]) == (3, 4, [])
    assert fields["sources"][0]["status"] == "bucketed"


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("options", [(), ("--dry-run",)], ids=["import", "dry run"])
def test_what_is_to_be_said_is_printed_without_json(
    capsys: pytest.CaptureFixture[str], options: tuple[str, ...]
) -> None:
    """The refusal names the statuses and the options, also where nothing was asked for but the import."""
    assert main(["import", str(EXPORTS / "jobber.csv"), *options]) == 1
    error = capsys.readouterr().err
    assert error.replace("refused.\n", "refused. ").startswith(
        "1 of 7 rows were refused. Say whether these statuses count (--decided, --undecided): "
    )
    assert error.endswith("Nothing was stored.\n")


def test_a_question_comes_first(home: Home) -> None:
    """Without closing dates nothing is stored, unless the person agrees; then the buckets alone are."""
    file = str(EXPORTS / "quickbooks.csv")
    error = home.call("import", file).error
    assert error["message"].startswith("No column was found for closed_at")
    (source,) = home.call("import", file, "--one-date").fields["sources"]
    assert (source["status"], source["estimate_count"]) == ("bucketed", 2)


def test_the_same_file_again(home: Home) -> None:
    """Nothing changes; by a column it becomes a source for each value."""
    first = home.call("import", str(CRM), "--group-by", "account").fields
    assert (len(first["sources"]), first["taken"]) == (85, 4238)
    assert home.call("import", str(CRM), "--group-by", "account").fields == first
    assert len(home.store("select id from estimates_normalized")) >= 4238


def test_a_long_file_again_takes_no_longer(home: Home, tmp_path: Path) -> None:
    """The rows that a file does not have are found by key, not by a look at all of its rows for each."""
    path = tmp_path / "long.csv"
    path.write_text(estimates(20_000), encoding="utf-8")
    seconds: list[float] = []
    for _ in range(2):
        start = perf_counter()
        assert home.call("import", str(path)).fields["taken"] == 20_000
        seconds.append(perf_counter() - start)
    assert seconds[1] < 8 * seconds[0]


@pytest.mark.parametrize("bad", ["", "2,soon,2026-03-05,5,won,x\n"], ids=["taken", "refused"])
def test_no_row_reaches_a_log_or_the_ledger(home: Home, tmp_path: Path, bad: str) -> None:
    """Neither what is taken nor what is refused; nor does the agent see it."""
    path = tmp_path / "mine.csv"
    path.write_text(estimates(30, more=bad.replace("x", CANARY)), encoding="utf-8")
    outcome = home.call("import", str(path), "--name", "Mine", "--skip-refused")
    assert CANARY not in outcome.out + outcome.err
    home.set(SECONDLOOK_AGENT="offline")
    snapshot = home.call("snapshot", outcome.fields["sources"][0]["source_id"])
    assert (snapshot.code, CANARY in snapshot.out + snapshot.err) == (0, False)
    for file in home.data.rglob("*"):
        if file.is_file() and not file.name.startswith("store.db"):
            assert CANARY.encode() not in file.read_bytes()
