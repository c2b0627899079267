"""The command line: parse, call, print, exit code; against a server it is tested elsewhere."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from secondlook import cli
from secondlook.cli import identify, printing
from secondlook.domain.access import Access
from secondlook.domain.runs import RunStatus
from secondlook.errors import NotEnoughEstimates, SecondlookError
from secondlook.services import connect
from secondlook.settings import load_settings
from secondlook.stores.samples import MADE_UP_USER
from tests.examples import MODEL, NOBODY, OTHER_USER, SOURCE, USER, Json, bucket_row, echo
from tests.ledger.executing import UNKNOWN, claimed
from tests.processes import ROOT
from tests.provider import Provider
from tests.tables import EmbeddedTables, own_tables

KEY = "sk-proj-a1b2c3d4e5f6g7h8i9j0k1l2m3n4"


@dataclass
class Said:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Json:
        """Standard output, which holds JSON and nothing else."""
        return json.loads(self.out)


Secondlook = Callable[..., Said]


@pytest.fixture
def secondlook(capsys: pytest.CaptureFixture[str]) -> Secondlook:
    """The command, in this process."""

    def run(*arguments: str) -> Said:
        capsys.readouterr()
        try:
            code = cli.main(arguments)
        except SystemExit as exit_:
            code = exit_.code if isinstance(exit_.code, int) else 0
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    return run


@pytest.fixture
def tables() -> EmbeddedTables:
    """The tables of the embedded store, with one source of a user without samples."""
    made = own_tables()
    made.add_source(SOURCE, user_id=NOBODY, name="Mine")
    return made


def leave_in_doubt() -> str:
    """A run of the one source whose answer is unknown."""
    from secondlook.execution.runner import Runner

    services = connect()
    run = Runner(services).submit(SOURCE, Access(NOBODY))
    held = claimed(services.ledger, run)
    assert services.ledger.begin_call(held) == 1
    services.ledger.end_call(held, 1, UNKNOWN)
    return run.run_id


# -- parsing --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param((), id="no command"),
        pytest.param(("explode",), id="unknown command"),
        pytest.param(("snapshot",), id="no source"),
        pytest.param(("snapshot", SOURCE, "more"), id="an argument more"),
        pytest.param(("sources", "--colour"), id="unknown option"),
        pytest.param(("runs", "--status", "lost"), id="unknown status of a run"),
        pytest.param(("resend",), id="no run"),
        pytest.param(("serve", "--port", "0"), id="port 0"),
        pytest.param(("serve", "--port", "65536"), id="port 65536"),
        pytest.param(("serve", "--port", "http"), id="port as text"),
    ],
)
def test_wrong_usage(secondlook: Secondlook, arguments: tuple[str, ...]) -> None:
    """Exit code 2, usage on standard error, nothing on standard output."""
    said = secondlook(*arguments)
    assert (said.code, said.out) == (2, "")
    assert "usage: secondlook" in said.err


@pytest.mark.parametrize(
    "command",
    [(), ("serve",), ("sources",), ("snapshot",), ("runs",), ("resume",), ("resend",), ("check",)],
    ids=str,
)
def test_help(secondlook: Secondlook, command: tuple[str, ...]) -> None:
    """Every command of the issue is there and explains itself."""
    said = secondlook(*command, "--help")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith(f"usage: secondlook {' '.join(command)}".strip())
    assert not command or "--json" in said.out


def test_the_statuses_of_runs_are_all_known(secondlook: Secondlook) -> None:
    """The list that the parser keeps, so as to start fast, is that of the model."""
    for status in RunStatus:
        assert secondlook("runs", "--status", str(status), "--json").json == []


def test_python_m(pytestconfig: pytest.Config) -> None:
    """`python -m secondlook` is the same command, with its exit code."""
    for arguments, code in ((["--help"], 0), (["explode"], 2), (["snapshot", "x"], 1)):
        ran = subprocess.run(
            [sys.executable, "-m", "secondlook", *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=pytestconfig.rootpath,
        )
        assert ran.returncode == code, ran.stderr
        assert "Traceback" not in ran.stderr


# -- sources --------------------------------------------------------------------------------------------


def test_sources_json(secondlook: Secondlook, tables: EmbeddedTables) -> None:
    """Exactly the keys of the issue, of the user who is named."""
    tables.add_source(NOBODY, user_id=NOBODY, name="No count", buckets=bucket_row(price_band_lt_500="x"))
    said = secondlook("sources", "--user", NOBODY, "--json")
    assert (said.code, said.err) == (0, "")
    assert said.json == [
        {
            "source_id": SOURCE,
            "source_name": "Mine",
            "source_type": "csv",
            "status": "bucketed",
            "estimate_count": 35,
            "confidence_level": "low",
            "snapshot_id": None,
        },
        {
            "source_id": NOBODY,
            "source_name": "No count",
            "source_type": "csv",
            "status": "bucketed",
            "estimate_count": None,
            "confidence_level": None,
            "snapshot_id": None,
        },
    ]


@pytest.mark.parametrize(
    ("environment", "arguments", "user"),
    [
        pytest.param(None, (), MADE_UP_USER, id="first sample user"),
        pytest.param(OTHER_USER, (), OTHER_USER, id="SECONDLOOK_USER"),
        pytest.param(OTHER_USER, ("--user", USER), USER, id="--user first"),
    ],
)
def test_the_default_user(
    secondlook: Secondlook,
    monkeypatch: pytest.MonkeyPatch,
    environment: str | None,
    arguments: tuple[str, ...],
    user: str,
) -> None:
    """Who asks where nobody is named."""
    if environment is None:
        monkeypatch.delenv("SECONDLOOK_USER")
        (load_settings().data_dir / "store.db").unlink()  # a new store has the made-up contractor
    else:
        monkeypatch.setenv("SECONDLOOK_USER", environment)
    found = {source["source_id"] for source in secondlook("sources", "--json", *arguments).json}
    assert found == {source["source_id"] for source in secondlook("sources", "--json", "--user", user).json}
    assert len(found) == 12 if user == MADE_UP_USER else len(found) >= 42


def test_all_pages_are_printed(
    secondlook: Secondlook, tables: EmbeddedTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many sources there are, none is left out and none comes twice."""
    for number in range(7):
        tables.add_source(str(UUID(int=number)), user_id=NOBODY)
    monkeypatch.setattr(identify, "PAGE", 3)
    found = [source["source_id"] for source in secondlook("sources", "--user", NOBODY, "--json").json]
    assert len(found) == len(set(found)) == 8


def test_search_and_status(secondlook: Secondlook, tables: EmbeddedTables) -> None:
    """Both narrow the list."""
    tables.add_source(str(UUID(int=1)), user_id=NOBODY, name="Other", status="snapshot_generated")

    def names(*arguments: str) -> list[str]:
        said = secondlook("sources", "--user", NOBODY, "--json", *arguments)
        return [source["source_name"] for source in said.json]

    assert names("--search", "MIN") == ["Mine"]
    assert names("--status", "snapshot_generated") == ["Other"]
    assert names("--search", "min", "--status", "snapshot_generated") == []


def test_sources_plain(secondlook: Secondlook, tables: EmbeddedTables) -> None:
    """A table: a heading, a line a source."""
    assert tables.count("sources") == 91
    said = secondlook("sources", "--user", NOBODY)
    assert (said.code, said.err) == (0, "")
    heading, line = said.out.splitlines()
    assert heading.split() == ["SOURCE", "STATUS", "ESTIMATES", "CONFIDENCE", "NAME"]
    assert line.split() == [SOURCE, "bucketed", "35", "low", "Mine"]


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("a\nb\r\tc", id="lines and tabs"),
        pytest.param("\x1b[2J\x1b]0;title\x07", id="terminal codes"),
        pytest.param("\u202egnp.exe", id="right to left"),
        pytest.param("x" * 10_000, id="10,000 characters"),
        pytest.param("\x9b31m", id="C1 control"),
    ],
)
def test_hostile_names_on_the_terminal(secondlook: Secondlook, tables: EmbeddedTables, name: str) -> None:
    """A name moves no cursor, starts no line and fills no screen; JSON has it as it is."""
    tables.run("update sources set source_name = ? where id = ?", name, SOURCE)
    said = secondlook("sources", "--user", NOBODY)
    _, line = said.out.split("\n")[:2]
    assert said.out.count("\n") == 2
    assert line.isprintable()
    assert len(line) < 200
    assert secondlook("sources", "--user", NOBODY, "--json").json[0]["source_name"] == name


def test_hostile_statuses_on_the_terminal(secondlook: Secondlook, tables: EmbeddedTables) -> None:
    """Nor does a status, which is read as it is: not in the table, and not in the message that names it."""
    tables.set_status(SOURCE, "\x1b[2J\nbucketed")
    assert "\x1b" not in secondlook("sources", "--user", NOBODY).out
    assert "\x1b" not in secondlook("snapshot", SOURCE, "--user", NOBODY).err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        pytest.param(("sources", "--search", "\udcff"), None, id="search"),
        pytest.param(("sources", "--status", "\udcff"), None, id="status"),
        pytest.param(("sources", "--user", "\udcff"), "source_not_found", id="user"),
        pytest.param(("runs", "--user", "\udcff"), "source_not_found", id="user of runs"),
        pytest.param(("snapshot", "\udcff"), "source_not_found", id="source"),
        pytest.param(("resend", "\udcff"), "source_not_found", id="run to resend"),
        pytest.param(("cancel", "\udcff"), "source_not_found", id="run to cancel"),
    ],
)
def test_arguments_that_are_no_text(
    secondlook: Secondlook, arguments: tuple[str, ...], code: str | None
) -> None:
    """Bytes that are no UTF-8, as Python passes them, find nothing; they are no traceback."""
    said = secondlook(*arguments, "--json")
    assert (said.json if said.code == 0 else said.json["error"]["code"]) == (code or [])


def test_a_status_that_no_source_has(secondlook: Secondlook, tables: EmbeddedTables) -> None:
    """--help and the empty table name the known ones; one that only the store knows is found."""
    known = "pending, ingested, bucketed, snapshot_generated, insufficient_data"
    assert known in " ".join(secondlook("sources", "--help").out.split())
    said = secondlook("sources", "--user", NOBODY, "--status", "archived")
    assert (said.code, said.err) == (0, f"No source has the status 'archived'. Known: {known}\n")
    tables.set_status(SOURCE, "archived")
    found = secondlook("sources", "--user", NOBODY, "--status", "archived")
    assert (found.err, SOURCE in found.out) == ("", True)


# -- what an argument names ---------------------------------------------------------------------------

TWIN = SOURCE[:-1] + ("0" if SOURCE[-1] != "0" else "1")
CAFE = "caf\N{LATIN SMALL LETTER E WITH ACUTE}"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param(SOURCE, SOURCE, id="whole id"),
        pytest.param(SOURCE.upper().replace("-", ""), SOURCE, id="whole id in another writing"),
        pytest.param(SOURCE[:8], SOURCE, id="8 characters"),
        pytest.param(SOURCE[:14].upper(), SOURCE, id="14 in capitals"),
        pytest.param(SOURCE[:24].replace("-", ""), SOURCE, id="without dashes"),
        pytest.param(SOURCE[:7], None, id="7 characters"),
        pytest.param("mine", SOURCE, id="name in another case"),
        pytest.param("Min", None, id="part of a name"),
        pytest.param("CAFE\N{COMBINING ACUTE ACCENT}", NOBODY, id="decomposed name"),
        pytest.param("theirs", None, id="another's name"),
        pytest.param(OTHER_USER[:8], None, id="beginning of another's"),
        pytest.param("", None, id="nothing"),
        pytest.param("*", None, id="wildcard"),
        pytest.param("%%%%%%%%", None, id="eight wildcards"),
        pytest.param("\0", None, id="NUL"),
    ],
)
def test_the_source_that_a_text_names(
    secondlook: Secondlook, tables: EmbeddedTables, text: str, found: str | None
) -> None:
    """A unique beginning of an id, or a whole name; what is not the user's own is not found."""
    tables.add_source(NOBODY, user_id=NOBODY, name=CAFE)
    tables.add_source(OTHER_USER, user_id=OTHER_USER, name="Theirs")
    said = secondlook("snapshot", text, "--user", NOBODY, "--json")
    if found is None:
        unknown = secondlook("snapshot", "ffffffff-0000-4000-8000-000000000000", "--user", NOBODY, "--json")
        assert said == unknown
        assert said.json["error"]["message"] == "Invalid source_id: not found"
    else:
        assert (said.code, said.json["source_id"]) == (0, found)


@pytest.mark.parametrize(
    ("text", "others"),
    [
        pytest.param(SOURCE[:8], 1, id="beginning"),
        pytest.param("MINE", 1, id="name"),
        pytest.param("mine", 7, id="name of many"),
    ],
)
def test_a_text_that_names_several_sources(
    secondlook: Secondlook, tables: EmbeddedTables, text: str, others: int
) -> None:
    """Nothing is sent; up to five candidates are listed, by id and name."""
    tables.add_source(TWIN, user_id=NOBODY, name="Mine")
    for number in range(1, others):
        tables.add_source(str(UUID(int=number)), user_id=NOBODY, name="Mine")
    said = secondlook("snapshot", text, "--user", NOBODY)
    message, hint = said.err.splitlines()
    assert (said.code, said.out) == (1, "")
    assert message.startswith(f"Ambiguous source_id: {text!r} can be ")
    assert message.count("(Mine)") == min(others + 1, 5)
    assert message.endswith(" and others") is (others + 1 > 5)
    assert hint == "Give the whole id, or more of its beginning."
    assert secondlook("runs", "--user", NOBODY, "--json").json == []


def test_a_whole_id_costs_no_query(tables: EmbeddedTables) -> None:
    """Neither of a source, nor of a run, nor of a snapshot; a name does."""
    assert tables.status(SOURCE) == "bucketed"
    services, asked = connect(), list[str]()
    services.ping_store()
    services.ledger.ping()

    def listen(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        asked.append(statement)

    event.listen(sa.Engine, "before_cursor_execute", listen)
    try:
        assert identify.find_source(services, Access(NOBODY), SOURCE) == SOURCE
        assert identify.find_run(services, NOBODY, SOURCE) == SOURCE
        assert identify.find_snapshot(services, Access(NOBODY), SOURCE) == SOURCE
        assert asked == []
        assert identify.find_source(services, Access(NOBODY), "mine") == SOURCE
        assert asked != []
    finally:
        event.remove(sa.Engine, "before_cursor_execute", listen)


@pytest.mark.parametrize("command", [("runs", "show"), ("resend",), ("cancel",)], ids=" ".join)
def test_a_run_by_the_beginning_of_its_id(
    secondlook: Secondlook, tables: EmbeddedTables, command: tuple[str, ...]
) -> None:
    """As by the whole id; to another user it is unknown."""
    assert tables.status(SOURCE) == "bucketed"
    run_id = leave_in_doubt()
    anothers = secondlook(*command, run_id[:13])
    assert (anothers.code, anothers.err.splitlines()[0]) == (1, "Invalid run_id: not found")
    said = secondlook(*command, run_id[:13], "--user", NOBODY, "--json")
    assert (said.code, said.json["run_id"]) == (0, run_id)


def test_a_beginning_of_several_runs(secondlook: Secondlook, tables: EmbeddedTables) -> None:
    """They are listed. Ids of one minute begin alike: of three, the second with a neighbor at least."""
    made = [
        secondlook("snapshot", SOURCE, "--user", NOBODY, "--regenerate", "--json").json["run_id"]
        for _ in range(3)
    ]
    assert tables.count("snapshots") == 3
    beginning = made[1][:8]
    for command in (("runs", "show", beginning), ("compare", beginning, made[1])):
        said = secondlook(*command, "--user", NOBODY)
        assert said.code == 1
        assert said.err.startswith("Ambiguous ")
        assert {each for each in made if each in said.err} == {
            each for each in made if each.startswith(beginning)
        }


def test_snapshots_by_the_beginning_of_their_ids(secondlook: Secondlook, tables: EmbeddedTables) -> None:
    """`compare` finds the user's own, and no other's."""
    made = [
        secondlook("snapshot", SOURCE, "--user", NOBODY, "--regenerate", "--json").json["snapshot_id"]
        for _ in range(2)
    ]
    assert tables.count("snapshots") == 2
    whole = secondlook("compare", *made, "--user", NOBODY)
    assert whole.code == 0
    assert secondlook("compare", *(each[:35] for each in made), "--user", NOBODY) == whole
    anothers = secondlook("compare", *(each[:35] for each in made))
    assert (anothers.code, anothers.err.splitlines()[0]) == (1, "Invalid snapshot_id: not found")


# -- what is printed ----------------------------------------------------------------------------------


def test_the_version(secondlook: Secondlook) -> None:
    """That of the package that is installed."""
    assert secondlook("--version") == Said(0, f"secondlook {version('secondlook')}\n", "")


@pytest.mark.parametrize(
    ("error", "err"),
    [
        pytest.param(SecondlookError("It broke"), "It broke\n", id="no hint"),
        pytest.param(SecondlookError("It broke", hint="Mend it."), "It broke\nMend it.\n", id="hint"),
        pytest.param(
            SecondlookError("It broke", hint="`secondlook cancel RUN_ID` ends it.", run_id=SOURCE),
            f"It broke\n`secondlook cancel {SOURCE}` ends it.\n",
            id="next command with the run's id",
        ),
        pytest.param(
            SecondlookError("It\nbroke", hint="Mend\x1b[2J it."),
            "It\N{REPLACEMENT CHARACTER}broke\nMend\N{REPLACEMENT CHARACTER}[2J it.\n",
            id="control",
        ),
    ],
)
def test_an_error_and_its_hint(capsys: pytest.CaptureFixture[str], error: SecondlookError, err: str) -> None:
    """A line each, on standard error."""
    assert printing.print_error(error, as_json=False) == 1
    assert capsys.readouterr() == ("", err)


def test_numbers_are_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    """On the right, with their header; text on the left; no line ends in white space."""
    printing.print_table(("NAME", "N", "NOTE"), [("a", "1,000", "x"), ("long", "7", "")], numbers={"N"})
    assert capsys.readouterr().out == "NAME      N  NOTE\na     1,000  x\nlong      7\n"


@pytest.mark.parametrize(
    ("environment", "colored"),
    [
        pytest.param({}, True, id="terminal"),
        pytest.param({"NO_COLOR": "1"}, False, id="NO_COLOR"),
        pytest.param({"NO_COLOR": ""}, True, id="empty NO_COLOR"),
    ],
)
def test_colors_on_a_terminal(
    secondlook: Secondlook, tables: EmbeddedTables, environment: dict[str, str], *, colored: bool
) -> None:
    """Status words have a color there, and nothing else changes; what is piped is plain."""
    tables.set_status(SOURCE, "snapshot_generated")
    plain = secondlook("sources", "--user", NOBODY).out
    outer, inner = pty.openpty()
    subprocess.run(
        [sys.executable, "-m", "secondlook", "sources", "--user", NOBODY],
        stdout=inner,
        check=True,
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name != "NO_COLOR"} | environment,
    )
    os.close(inner)
    shown = os.read(outer, 100_000).decode().replace("\r\n", "\n")
    os.close(outer)
    green = "\x1b[32msnapshot_generated\x1b[0m"
    assert "\x1b" not in plain
    assert shown == (plain.replace("snapshot_generated", green) if colored else plain)


# -- snapshot -------------------------------------------------------------------------------------------


def test_snapshot_json(secondlook: Secondlook, tables: EmbeddedTables) -> None:
    """Exactly the keys of the issue on standard output; the log on standard error."""
    said = secondlook("snapshot", SOURCE, "--user", NOBODY, "--json")
    assert said.code == 0
    made = said.json
    assert list(made) == [
        *("run_id", "snapshot_id", "source_id", "agent", "result", "usage", "cost_usd", "model"),
        *("request_id", "attempts", "latency_ms", "warnings"),
    ]
    assert made["run_id"] == made["snapshot_id"] == made["result"]["meta"]["snapshot_id"]
    assert (made["source_id"], made["agent"], made["model"]) == (SOURCE, "offline", MODEL)
    assert made["result"] == {**echo(), "meta": made["result"]["meta"]}
    assert list(made["usage"]) == [
        *("prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens", "reasoning_tokens"),
        "estimated",
    ]
    assert made["usage"]["estimated"] is True
    assert isinstance(made["cost_usd"], float)
    assert (made["attempts"], made["warnings"]) == (1, [])
    assert type(made["latency_ms"]) is int
    assert [line.split(":")[0] for line in said.err.splitlines()] == [
        "[Offline agent] Snapshot generated",
        "[Orchestrator] Snapshot pipeline complete",
    ]
    assert tables.status(SOURCE) == "snapshot_generated"
    assert secondlook("sources", "--user", NOBODY, "--json").json[0]["snapshot_id"] == made["snapshot_id"]


def test_snapshot_plain(secondlook: Secondlook, tables: EmbeddedTables) -> None:
    """The result on standard output; who answered, what it took and warnings on standard error."""
    tables.add_estimates(SOURCE, 36)
    said = secondlook("snapshot", SOURCE, "--user", NOBODY)
    assert said.code == 0
    assert said.json["meta"]["estimate_count"] == 36
    assert "by Offline agent: " in said.err
    assert "usage is estimated" in said.err
    assert "Warning: weekly volume covers 35 of 36 estimates" in said.err


def test_snapshot_again(secondlook: Secondlook, tables: EmbeddedTables) -> None:
    """Only with --regenerate."""
    assert secondlook("snapshot", SOURCE, "--user", NOBODY).code == 0
    again = secondlook("snapshot", SOURCE, "--user", NOBODY)
    assert (again.code, again.out, again.err) == (
        1,
        "",
        (
            "Source must be bucketed before snapshot generation (current status: snapshot_generated)\n"
            "It has a snapshot already; ask for another with `--regenerate` (regenerate=True).\n"
        ),
    )
    assert secondlook("snapshot", SOURCE, "--user", NOBODY, "--regenerate").code == 0
    assert tables.count("snapshots") == 2


@pytest.mark.parametrize("json_", [True, False], ids=["json", "plain"])
def test_an_error(secondlook: Secondlook, tables: EmbeddedTables, *, json_: bool) -> None:
    """With --json an object on standard output, else message and hint on standard error; exit code 1."""
    tables.run("update estimate_buckets set price_band_500_1500 = 5 where source_id = ?", SOURCE)
    said = secondlook("snapshot", SOURCE, "--user", NOBODY, *(["--json"] if json_ else []))
    message = "Minimum 25 estimates required for snapshot (found: 15)"
    assert said.code == 1
    if json_:
        assert said.err == ""
        assert list(said.json) == ["error"]
        assert said.json["error"] == {
            "code": "not_enough_estimates",
            "message": message,
            "hint": said.json["error"]["hint"],
            "run_id": None,
            "usage": None,
        }
        assert said.json["error"]["hint"]
    else:
        assert (said.out, said.err) == ("", f"{message}\n{NotEnoughEstimates.default_hint}\n")


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(("snapshot", SOURCE), id="snapshot of another's"),
        pytest.param(("snapshot", "00000000-0000-4000-8000-000000000000"), id="snapshot of an unknown one"),
        pytest.param(("snapshot", "x"), id="snapshot of a malformed one"),
        pytest.param(("snapshot", SOURCE, "--user", "x"), id="snapshot by a malformed user"),
        pytest.param(("snapshot", SOURCE, "--regenerate"), id="regenerate another's"),
    ],
)
@pytest.mark.parametrize("json_", [True, False], ids=["json", "plain"])
def test_anothers_source_is_no_source(
    secondlook: Secondlook, tables: EmbeddedTables, arguments: tuple[str, ...], *, json_: bool
) -> None:
    """What is said of another's source is what is said of none, to the byte."""
    assert tables.status(SOURCE) == "bucketed"
    unknown = ("snapshot", "ffffffff-0000-4000-8000-000000000000")
    option = ["--json"] if json_ else []
    assert secondlook(*arguments, *option) == secondlook(*unknown, *option)


# -- runs, resume, resend, cancel -----------------------------------------------------------------------


def test_runs_json(secondlook: Secondlook, tables: EmbeddedTables) -> None:
    """Exactly the keys of the issue, newest first, of one user."""
    first = secondlook("snapshot", SOURCE, "--user", NOBODY, "--json").json
    tables.run("update sources set status = 'bucketed' where id = ?", SOURCE)
    run_id = leave_in_doubt()
    newest, oldest = secondlook("runs", "--user", NOBODY, "--json").json
    assert list(newest) == [
        *("run_id", "task", "source_id", "user_id", "agent", "status", "error_code", "attempts", "usage"),
        *("usage_problem", "cost_usd", "model", "created_at", "finished_at"),
    ]
    assert (newest["run_id"], newest["status"], newest["error_code"]) == (run_id, "in_doubt", "in_doubt")
    assert (newest["usage"], newest["cost_usd"], newest["finished_at"]) == (None, None, None)
    assert (oldest["run_id"], oldest["status"], oldest["error_code"]) == (first["run_id"], "done", None)
    assert (oldest["usage"], oldest["cost_usd"]) == (first["usage"], first["cost_usd"])
    assert (oldest["source_id"], oldest["user_id"], oldest["agent"]) == (SOURCE, NOBODY, "offline")
    assert all(
        re.fullmatch(r"\d{4}(-\d\d){2}T\d\d(:\d\d){2}Z", oldest[key]) for key in ("created_at", "finished_at")
    )
    assert secondlook("runs", "--json").json == []
    done = secondlook("runs", "--user", NOBODY, "--status", "done", "--json").json
    assert [run["run_id"] for run in done] == [first["run_id"]]


def test_runs_plain(secondlook: Secondlook, tables: EmbeddedTables) -> None:
    """A table; what is unknown is said to be."""
    assert tables.status(SOURCE) == "bucketed"
    run_id = leave_in_doubt()
    heading, line = secondlook("runs", "--user", NOBODY).out.splitlines()
    assert heading.split() == [
        *("RUN", "CREATED", "STATUS", "AGENT", "ATTEMPTS", "TOKENS", "COST", "SOURCE", "ERROR"),
    ]
    assert line.split()[0] == run_id
    assert line.split()[2:] == ["Outcome", "unknown", "offline", "1", *["unknown"] * 2, SOURCE, "in_doubt"]


@pytest.mark.parametrize("json_", [True, False], ids=["json", "plain"])
def test_resume(secondlook: Secondlook, tables: EmbeddedTables, *, json_: bool) -> None:
    """The runs that it executed, each with its final status, and exit code 0; then nothing."""
    from secondlook.execution.runner import Runner

    assert tables.status(SOURCE) == "bucketed"
    run = Runner(connect()).submit(SOURCE, Access(NOBODY))
    option = ["--json"] if json_ else []
    said = secondlook("resume", *option)
    assert said.code == 0
    if json_:
        assert [(each["run_id"], each["status"]) for each in said.json] == [(run.run_id, "done")]
        assert secondlook("resume", "--json").json == []
    else:
        assert said.out.split() == [run.run_id, "done"]
        assert secondlook("resume").out == ""


def test_cancel(secondlook: Secondlook, tables: EmbeddedTables) -> None:
    """A run with an unknown outcome is canceled; then a new one may begin."""
    assert tables.status(SOURCE) == "bucketed"
    run_id = leave_in_doubt()
    said = secondlook("cancel", run_id, "--user", NOBODY, "--json")
    assert (said.code, said.json["status"]) == (0, "cancelled")
    assert secondlook("snapshot", SOURCE, "--user", NOBODY).code == 0


@pytest.mark.parametrize("command", ["resend", "cancel"])
def test_anothers_run_is_no_run(secondlook: Secondlook, tables: EmbeddedTables, command: str) -> None:
    """What is said of another's run is what is said of none."""
    assert tables.status(SOURCE) == "bucketed"
    run_id = leave_in_doubt()
    anothers = secondlook(command, run_id, "--json")
    assert anothers == secondlook(command, "ffffffff-0000-4000-8000-000000000000", "--json")
    assert (anothers.code, anothers.json["error"]["code"]) == (1, "source_not_found")
    assert secondlook("runs", "--user", NOBODY, "--json").json[0]["status"] == "in_doubt"


# -- check and settings ---------------------------------------------------------------------------------


def test_check(secondlook: Secondlook) -> None:
    """Everything is looked at, and the offline agent says so."""
    said = secondlook("check", "--json")
    assert said.code == 0
    assert [check["name"] for check in said.json] == [
        *("settings", "imports", "store", "ledger", "agent", "model"),
    ]
    assert all(list(check) == ["name", "ok", "detail"] and check["ok"] for check in said.json)
    assert "offline" in said.json[4]["detail"]


@pytest.mark.parametrize("key", [KEY, "sk-short", "x"])
def test_check_never_shows_the_key(
    secondlook: Secondlook, monkeypatch: pytest.MonkeyPatch, provider: Provider, key: str
) -> None:
    """That there is a key is said, with its first characters at the most, in both forms."""
    monkeypatch.setenv("OPENAI_API_KEY", key)
    monkeypatch.setenv("OPENAI_BASE_URL", provider.base_url)
    for said in (secondlook("check"), secondlook("check", "--json")):
        assert said.code == 0
        shown = said.out + said.err
        assert "OpenAI" in shown
        assert f"key {key[: min(7, len(key) // 4)]}" in shown
        assert key[8:] not in shown or len(key) <= 8
        assert len(key) < 4 or key not in shown


def test_check_without_a_key_in_production(secondlook: Secondlook, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing fails, and the rest is looked at all the same."""
    monkeypatch.setenv("SECONDLOOK_ENV", "production")
    said = secondlook("check")
    assert said.code == 1
    assert "FAIL  agent: OPENAI_API_KEY is required. Add it to your .env.local file." in said.out.splitlines()
    assert sum(line.startswith("ok    ") for line in said.out.splitlines()) == 5


def test_check_names_a_broken_store(secondlook: Secondlook, tmp_path: Path) -> None:
    """A store that is no database is named; the ledger is still looked at."""
    (tmp_path / "data").mkdir(exist_ok=True)
    (tmp_path / "data" / "store.db").write_text("no database" * 200, encoding="utf-8")
    said = secondlook("check", "--json")
    assert said.code == 1
    assert {check["name"]: check["ok"] for check in said.json} == {
        "settings": True,
        "imports": True,
        "store": False,
        "ledger": True,
        "agent": True,
        "model": True,
    }
    assert "store.db cannot be used: " in said.json[2]["detail"]


@pytest.mark.parametrize(
    "command",
    [
        *(("sources",), ("snapshot", SOURCE), ("runs",), ("resume",), ("resend", "x"), ("cancel", "x")),
        ("serve",),
    ],
    ids=" ".join,
)
def test_a_wrong_setting(
    secondlook: Secondlook, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    """Every command names the setting and what is allowed, and does nothing."""
    monkeypatch.setenv("SECONDLOOK_AGENT", "robot")
    message = "SECONDLOOK_AGENT is 'robot'; allowed: auto, openai, azure, compatible, offline"
    plain = secondlook(*command)
    assert (plain.code, plain.out) == (1, "")
    assert plain.err.startswith(message)
    error = secondlook(*command, "--json").json["error"]
    assert error["code"] == "setting_invalid"
    assert error["message"].startswith(message)


def test_check_names_a_wrong_setting(secondlook: Secondlook, monkeypatch: pytest.MonkeyPatch) -> None:
    """`check` says so as one of its lines."""
    monkeypatch.setenv("SECONDLOOK_AGENT", "robot")
    said = secondlook("check")
    assert said.code == 1
    assert said.out.startswith(
        "FAIL  settings: SECONDLOOK_AGENT is 'robot'; allowed: auto, openai, azure, compatible, offline"
    )
