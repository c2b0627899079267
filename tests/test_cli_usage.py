"""`secondlook usage` and `prune`: what they print, and what they refuse."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from secondlook import cli
from secondlook.services import connect
from tests.examples import USER
from tests.ledger.executing import done, in_doubt
from tests.mixed_runs import insert, mixed


@dataclass
class Said:
    """What a command came to."""

    code: int
    out: str
    err: str


class Secondlook:
    """The command, in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str) -> Said:
        """Run it."""
        self._capsys.readouterr()
        try:
            code = cli.main(arguments)
        except SystemExit as exit_:
            code = exit_.code if isinstance(exit_.code, int) else 0
        out, err = self._capsys.readouterr()
        return Said(code, out, err)


@pytest.fixture
def secondlook(capsys: pytest.CaptureFixture[str]) -> Secondlook:
    """The command, in this process."""
    return Secondlook(capsys)


def test_usage_as_a_table(secondlook: Secondlook) -> None:
    """A row for each, and all of them together; the offline agent's cost is marked as not billed."""
    done(connect().ledger)
    said = secondlook("usage", "--by", "status")
    lines = said.out.splitlines()
    assert [line.split()[0] for line in lines] == ["STATUS", "done", "total"]
    assert lines[1].split("  ")[0] == "done"
    assert "550" in lines[2]
    assert "12 ms / 12 ms" in lines[2]
    assert "days in UTC" in said.err
    assert secondlook("usage", "--user", USER, "--json").code == 0


def test_usage_as_csv_is_harmless(secondlook: Secondlook) -> None:
    """Cells that a spreadsheet would run are neutralised; unknown is called so."""
    _ = connect().ledger
    insert(connect().settings.data_dir / "ledger.db", mixed(200, days=3))
    said = secondlook("usage", "--by", "model", "--csv", "--since", "2026-11-01", "--until", "2026-11-30")
    rows = list(csv.DictReader(io.StringIO(said.out, newline="")))
    assert "'=cmd|' /C calc'!A0" in {row["model"] for row in rows}
    assert {row["cost_usd"] for row in rows if row["model"] == "unpriced-1"} == {"unknown"}
    assert {row["cost_usd_known"] for row in rows if row["model"] == "unpriced-1"} == {"0"}
    assert sum(int(row["runs"]) for row in rows) == 200


@pytest.mark.parametrize("each", [(), ("--each", "run"), ("--each", "call")], ids=str)
def test_csv_for_programs_and_for_people(
    secondlook: Secondlook, tmp_path: Path, each: tuple[str, ...]
) -> None:
    """On standard output it has no byte order mark; a file that a person opens in Excel has one."""
    done(connect().ledger)
    printed = secondlook("usage", "--csv", *each)
    assert printed.out.startswith(("run_id,", "call_id,") if each else "day,")
    assert secondlook("usage", "--csv", "-", *each) == printed
    file = tmp_path / "usage.csv"
    assert secondlook("usage", "--csv", str(file), *each) == Said(0, "", "")
    assert file.read_bytes() == b"\xef\xbb\xbf" + printed.out.encode()


def test_a_csv_file_that_cannot_be_written(secondlook: Secondlook, tmp_path: Path) -> None:
    """The message names it."""
    said = secondlook("usage", "--csv", str(tmp_path))
    assert (said.code, said.out) == (1, "")
    assert said.err == f"Cannot write {tmp_path}: Is a directory\nName another file.\n"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        pytest.param(("usage", "--by", "moon"), 2, "invalid choice: 'moon'", id="unknown dimension"),
        pytest.param(
            ("usage", "--since", "2026-02-30"), 2, "'2026-02-30' is not a day: YYYY-MM-DD", id="no day"
        ),
        pytest.param(("usage", "--until", "yesterday"), 2, "'yesterday' is not a day", id="no day either"),
        pytest.param(
            ("usage", "--since", "2026-02-02", "--until", "2026-02-01"),
            1,
            "The first day 2026-02-02 is after the last day 2026-02-01",
            id="backwards",
        ),
        pytest.param(("usage", "--user", "me"), 1, "Invalid user_id: not found", id="no user's id"),
        pytest.param(("prune",), 2, "give --older-than, --user or both", id="nothing named"),
        pytest.param(("prune", "--older-than", "90"), 2, "'90' is not a number of days: 90d", id="no days"),
        pytest.param(("prune", "--user", "me"), 1, "Invalid user_id: not found", id="no user's id to prune"),
    ],
)
def test_what_is_refused(secondlook: Secondlook, arguments: tuple[str, ...], code: int, message: str) -> None:
    """Wrong usage and impossible periods are said, with the value."""
    said = secondlook(*arguments)
    assert (said.code, said.out) == (code, "")
    assert message in said.err


def test_prune_says_what_it_removed(secondlook: Secondlook) -> None:
    """First what it would be, then what it was; Usage says the same before and after."""
    ledger = connect().ledger
    run = done(ledger)
    in_doubt(ledger)
    before = secondlook("usage", "--json").out
    listed = json.loads(secondlook("runs", "--user", USER, "--json").out)
    dry = json.loads(secondlook("prune", "--user", USER, "--dry-run", "--json").out)
    plain = secondlook("prune", "--user", USER, "--dry-run")
    assert (plain.out.partition(":")[0], plain.err) == ("Would be erased", "")
    assert ledger.get(run.run_id).answer is not None
    assert (dry["dry_run"], dry["runs"], dry["answers"], dry["unsettled"]) == (True, 1, 1, 1)
    said = secondlook("prune", "--older-than", "0d", "--user", USER)
    assert said.out.splitlines() == [
        f"Erased: inputs and requests of 1 runs, 1 answers, {dry['characters']:,} characters in all",
        "Not erased: 1 runs that are not finished",
    ]
    assert ledger.get(run.run_id).answer is None
    assert secondlook("usage", "--json").out == before
    assert json.loads(secondlook("runs", "--user", USER, "--json").out) == listed
    assert secondlook("prune", "--older-than", "90d").out.startswith("Erased: inputs and requests of 0 runs")
