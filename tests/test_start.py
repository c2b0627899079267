"""A command starts with what it needs, and nothing else: people and scripts wait for it each time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import ROOT

NEVER = (
    *("altair", "fastapi", "genai_prices", "httpx", "httpx2", "jinja2", "openai", "pandas"),
    *("procrastinate", "psycopg", "pyarrow", "secondlook.providers.openai.client", "secondlook.dashboard"),
    *("secondlook.ledger.runs", "secondlook.execution.runner", "secondlook.web"),
    *("sqlalchemy.dialects.postgresql", "starlette", "streamlit", "supabase", "uvicorn"),
)
PROGRAM = """
import contextlib, io, sys
from secondlook.cli import main
out = io.StringIO()
with contextlib.suppress(SystemExit), contextlib.redirect_stdout(out):
    main(sys.argv[1:])
print(len(out.getvalue().splitlines()), *[name for name in sys.modules])
"""


def started(folder: Path, *arguments: str) -> tuple[int, set[str]]:
    """The lines that a command prints in a process of its own, and what it has imported by then."""
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
        env={**os.environ, "SECONDLOOK_DATA_DIR": str(folder), "PYTHONPATH": str(ROOT)},
    )
    lines, *modules = ran.stdout.split()
    return int(lines), set(modules)


@pytest.mark.parametrize(
    ("arguments", "never"),
    [
        pytest.param(["--help"], (*NEVER, "asyncio", "pydantic", "sqlalchemy"), id="--help"),
        pytest.param(["snapshot", "--help"], (*NEVER, "asyncio", "pydantic", "sqlalchemy"), id="snapshot"),
        pytest.param(["sources"], NEVER, id="sources"),
        pytest.param(["sources", "--json"], NEVER, id="sources --json"),
    ],
)
def test_only_what_is_needed(tmp_path: Path, arguments: list[str], never: tuple[str, ...]) -> None:
    """It does its work, and what others need was not imported."""
    lines, modules = started(tmp_path, *arguments)
    assert lines > 3
    assert not modules & set(never)


def test_the_list_would_find_it(tmp_path: Path) -> None:
    """A command that looks at runs needs the ledger: the names are those of modules that there are."""
    _, modules = started(tmp_path, "runs")
    assert "secondlook.ledger.runs" in modules
