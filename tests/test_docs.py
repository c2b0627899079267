"""What README and docs/ name exists: commands, requests, settings, files, sections, labels, code."""

from __future__ import annotations

import argparse
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from secondlook import cli
from secondlook.domain.access import Access
from secondlook.errors import ERRORS
from secondlook.execution.runner import Runner
from secondlook.providers.rehearsal import KINDS
from secondlook.services import connect
from secondlook.settings import Settings, environment_names
from secondlook.stores.samples import MADE_UP_USER, SAMPLE_USERS, sample_sources
from secondlook.web.api import build_api
from secondlook.web.health import Health
from tests.documents import PAGES, README, ROOT, anchors, blocks, prose, rows, section
from tests.processes import Home
from tests.provider import answering, right_answer
from tests.tables import EmbeddedTables

ALL = "\n".join(PAGES.values())
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
SAMPLE = "3f9b947b-e087-5813-9ebc-7182f1173d4c"
CODE = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for folder in ("secondlook", "pages", "tests", "bench", "dev", "supabase/migrations")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.suffix in {".py", ".html", ".sql", ".json"} and not {"rivals", "node_modules"} & set(path.parts)
}
"""Each file of code by its path in the repository."""


def test_the_readme_is_short() -> None:
    """A newcomer reads it to the end."""
    assert len(PAGES[README].splitlines()) <= 140


# -- the command line -----------------------------------------------------------------------------------


def parsers() -> dict[str, argparse.ArgumentParser]:
    """The parser of each command."""
    choices: list[Any] = [action.choices for action in cli._parser()._actions if action.choices]  # pyright: ignore[reportPrivateUsage] -- argparse tells no other way
    return dict(choices[0])


def usage(name: str, parser: argparse.ArgumentParser) -> set[str]:
    """A command and what it takes: positional names, options without --help and --json, `*` for a value."""
    taken = {name}
    for action in parser._actions:  # pyright: ignore[reportPrivateUsage]
        if not action.option_strings:
            taken.add(str(action.metavar or "|".join(action.choices or ())))
        elif action.option_strings[-1] not in {"--help", "--json"}:
            taken.add(f"[{action.option_strings[-1]}{'' if action.nargs == 0 else ' *'}]")
    return taken


def test_the_table_of_commands() -> None:
    """Exactly the commands that there are, each with exactly what it takes."""
    named = [cells[0].strip("`").replace("\\|", "|") for cells in rows(PAGES["docs/cli.md"])]
    written = [re.sub(r"(\[--[\w-]+) (?:\w+|\[\w+\])\]", r"\1 *]", line) for line in named]
    assert [set(re.findall(r"\[[^]]+\]|\S+", line)) for line in written] == [
        usage(name, parser) for name, parser in parsers().items()
    ]


def test_every_command_takes_json() -> None:
    """As it says above the table."""
    assert "Every command takes `--json`." in PAGES["docs/cli.md"]
    assert all("--json" in parser.format_help() for parser in parsers().values())


HINTS = " ".join(error.default_hint for error in ERRORS.values())


@pytest.mark.parametrize("said", sorted(set(re.findall(r"`secondlook ([^`-][^`]*)`", ALL + HINTS))))
def test_every_command_that_is_named_exists(said: str) -> None:
    """In the text and in the errors' hints: the command, and each option."""
    name, *words = said.split()
    assert name in parsers()
    assert [
        word for word in words if word.startswith("--") and word not in parsers()[name].format_help()
    ] == []


def test_the_sample_users() -> None:
    """Those that the pages name, in their order; so are the sources of its examples there."""
    named: list[str] = re.findall(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", ALL)
    ids = {str(sample.source["id"]): str(sample.source["user_id"]) for sample in sample_sources()}
    assert [each for each in dict.fromkeys(named) if each in SAMPLE_USERS] == list(SAMPLE_USERS)
    assert [each for each in named if each not in SAMPLE_USERS and each not in ids] == []
    assert ids[SAMPLE] == MADE_UP_USER


@pytest.mark.parametrize("line", re.findall(r"^\.venv/bin/secondlook (.+)$", ALL, re.MULTILINE))
def test_every_command_to_copy_runs(home: Home, line: str) -> None:
    """As it stands, on a new machine with a key, and with the samples that it starts with."""
    (home.data / "store.db").unlink()
    home.env.pop("SECONDLOOK_USER")
    home.monkeypatch.delenv("SECONDLOOK_USER")
    services = home.services()
    record = services.store(Access(MADE_UP_USER)).load(SAMPLE, MADE_UP_USER)
    assert record is not None
    home.provider.behaviour = answering(right_answer(dict(record.buckets or {})))
    assert home.call(*line.split()).code == 0


# -- the HTTP API ---------------------------------------------------------------------------------------


def test_the_table_of_requests() -> None:
    """Exactly the requests that there are, each with exactly what it takes in its address."""
    described = build_api(connect, lambda: Runner(connect())).openapi()
    real = {
        (method.upper(), "/api" + re.sub(r"{\w+}", "{id}", path)): {
            each["name"] for each in operation.get("parameters", []) if each["in"] == "query"
        }
        for path, operations in described["paths"].items()
        for method, operation in operations.items()
    }
    written: list[tuple[str, str, str]] = re.findall(
        r"`(GET|POST) (/[^ `?]+)(\?[^`]*)?`", section("docs/api.md", "Over HTTP")
    )
    table = {(method, path): set(re.findall(r"[?&](\w+)=", query)) for method, path, query in written}
    health = {("GET", path): set[str]() for path in ("/healthz", "/readyz")}
    assert table == real | health
    assert {(route.path) for route in Health(connect).routes()} == {path for _, path in health}


# -- what else they name --------------------------------------------------------------------------------


@pytest.mark.parametrize("page", list(PAGES))
def test_every_link_leads_somewhere(page: str) -> None:
    """Files and folders are in the repository, sections in their pages."""
    links: list[str] = re.findall(r"\]\(([^)]+)\)", prose(page))
    broken: list[str] = []
    for link in links:
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        name = str(target.resolve().relative_to(ROOT)) if not link.startswith("https://") else ""
        if name and (not target.exists() or (anchor and anchor not in anchors(name))):
            broken.append(link)
    assert broken == []


def test_every_page_is_listed() -> None:
    """README leads to each page, and no page is left over."""
    listed = [re.findall(r"\]\((.+)\)", cells[0])[0] for cells in rows(section(README, "Read on"))]
    assert sorted(listed) == sorted({*PAGES, "CHANGELOG.md"} - {README})


def test_every_picture_is_shown() -> None:
    """Each once, and `make pictures` makes it."""
    shown: list[str] = re.findall(r"!\[[^]]+\]\((?:docs/)?([\w-]+\.png)\)", ALL)
    assert sorted(shown) == sorted(path.name for path in (ROOT / "docs").glob("*.png"))
    assert sorted(re.findall(r"docs/([\w-]+\.png)", MAKEFILE)) == sorted(shown)


@pytest.mark.parametrize("target", sorted(set(re.findall(r"(?:`|^|run )make (\w[\w-]*)", ALL, re.MULTILINE))))
def test_every_make_target_exists(target: str) -> None:
    """What can be copied can be made."""
    assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE)


MADE = {".env", ".env.local", ".venv", ".secondlook", "store.db", "ledger.db"}
"""Files and folders that are made when the project is used."""


@pytest.mark.parametrize("page", list(PAGES))
def test_every_file_that_is_named_exists(page: str) -> None:
    """In the repository, in the package, or made by it."""
    named: set[str] = set(
        re.findall(r"`([\w.][\w./-]*(?:/|\.(?:py|md|toml|json|sql|db|html|local)))`", prose(page))
    )
    assert [
        name
        for name in sorted(named - MADE)
        if not any((ROOT / folder / name).exists() for folder in ("", "secondlook", "docs"))
    ] == []


SETTINGS = {name for field in Settings.model_fields for name in environment_names(field)}


def test_every_setting_that_is_named_exists() -> None:
    """In any text; `…` ends a name that stands for several."""
    named: set[str] = set(re.findall(r"\b(?:SECONDLOOK|OPENAI|SUPABASE|NEXT_PUBLIC)_\w+…?", ALL))
    whole = {name for name in named if not name.endswith(("…", "_"))}
    assert whole - SETTINGS == set()
    stems = {name.rstrip("…") for name in named - whole}
    assert [stem for stem in stems if not any(name.startswith(stem) for name in SETTINGS)] == []


def test_the_tree_is_this_one() -> None:
    """Exactly the packages and modules that there are, and no file that is not."""
    (tree,) = [block for block in blocks("docs/design.md", "") if block.startswith("app.py")]
    inside: list[str] = re.findall(r"^  ([\w./]+)", tree, re.MULTILINE)
    package = ROOT / "secondlook"
    folders = {f"{path.parent.name}/" for path in package.glob("*/__init__.py")}
    modules = {path.name for path in package.glob("*.py") if not path.name.startswith("__")}
    assert sorted(inside) == sorted(folders | modules)
    assert all((ROOT / name).exists() for name in re.findall(r"^([\w./]+)", tree, re.MULTILINE))


def test_the_layers_are_these() -> None:
    """The order of imports is that of the contract in pyproject.toml."""
    contract = (ROOT / "pyproject.toml").read_text(encoding="utf-8").split("\nlayers = [")[1].split("\n]")[0]
    layers: list[str] = re.findall(r'"([\w| ]+)"', contract)
    sentence = re.sub(r"\s+", " ", PAGES["docs/design.md"])
    assert " → ".join(layers).replace(" | ", ", ") in sentence


def test_every_name_of_the_code_exists() -> None:
    """Methods and functions with their class or module, and single words in backticks."""
    program = {name: text for name, text in CODE.items() if not name.startswith("tests/")}
    text = "\n".join(program.values())
    owners = {Path(name).stem for name in program} | set(re.findall(r"^class (\w+)", text, re.MULTILINE))
    dotted: set[tuple[str, str]] = set(re.findall(r"\b([A-Za-z_]\w+)\.([a-z]\w*)\b", PAGES["docs/design.md"]))
    methods = {(owner, name) for owner, name in dotted if name not in {"py", "md", "toml", "json"}}
    assert len(methods) > 5
    assert [each for each in methods if each[0] not in owners or f"def {each[1]}(" not in text] == []
    words: set[str] = {
        word
        for page in ("docs/design.md", "docs/contract.md", "docs/batches.md", "docs/dashboard.md")
        for word in re.findall(r"`([A-Za-z]\w*)`", prose(page))
    }
    assert [word for word in sorted(words) if not re.search(rf"\b{word}\b", text)] == []


def test_every_label_is_on_a_page() -> None:
    """What the demo and the ten questions press, a page writes."""
    demo = section(README, "A demo in two minutes")
    clicks = " ".join(cells[1] for cells in rows(section("docs/dashboard.md", "Ten questions")))
    labels: set[str] = set(re.findall(r"\*\*(.+?)\*\*", demo + clicks))
    drawn = "\n".join(text for name, text in CODE.items() if name.startswith("secondlook/dashboard"))
    pages = {path.stem.capitalize() for path in (ROOT / "pages").glob("*.py")}
    assert len(labels) > 5
    assert [label for label in sorted(labels - pages) if not re.search(rf'"{label}\b', drawn)] == []
    (fault,) = re.findall(r'choose "([^"]+)"', re.sub(r"\s+", " ", demo))
    assert fault in {f"{kind.group}: {kind.title}" for kind in KINDS.values()}


def test_the_pages_of_the_dashboard() -> None:
    """Each of them, and in how many ways the offline agent misbehaves."""
    page = PAGES["docs/dashboard.md"]
    listed = {cells[0].lower() for cells in rows(page.split("\n## ")[0])}
    assert listed == {path.stem for path in (ROOT / "pages").glob("*.py")}
    assert f"misbehave in {len(KINDS)} ways" in page


def test_what_the_code_cites_exists() -> None:
    """Each page and section that a docstring, a comment, a message or a hint names."""
    cited = [
        (file, page, heading.strip())
        for file, text in CODE.items()
        for page, heading in re.findall(
            r"\b(docs/[\w-]+\.md)(?:: ([A-Z][\w' ]*))?", re.sub(r"\s+", " ", text)
        )
    ]
    assert len(cited) > 5
    assert [each for each in cited if each[1] not in PAGES] == []
    headings = {page: re.findall(r"^#+ (.+)$", text, re.MULTILINE) for page, text in PAGES.items()}
    assert [each for each in cited if each[2] and each[2] not in headings[each[1]]] == []


def test_both_databases_are_where_it_says() -> None:
    """In the data folder, by their names."""
    services = connect()
    services.ping_store()
    services.ledger.ping()
    for name in ("store.db", "ledger.db"):
        with closing(sqlite3.connect(services.settings.data_dir / name)) as database:
            assert database.execute("select count(*) from sqlite_master").fetchone() != (0,)


def test_the_tables_of_the_contract() -> None:
    """The product's tables with exactly their columns."""
    written = {
        cells[0].strip("`"): re.findall(r"`([a-z_0-9]+)`", re.sub(r"\([^)]*\)", "", cells[1]))
        for cells in rows(section("docs/contract.md", "Tables"))
    }
    columns = "select name from pragma_table_info(?)"
    services = connect()
    services.ping_store()
    tables = EmbeddedTables(services.settings.data_dir / "store.db")
    real = {name: [column for (column,) in tables.run(columns, name)] for name in written}
    assert written == real
    assert len(written) == 4
