"""The public API is stated once, and importing it costs nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

import secondlook

HEAVY = ("openai", "pandas", "pydantic", "sqlalchemy", "streamlit")


@pytest.mark.parametrize("name", secondlook.__all__)
def test_every_public_name_can_be_imported(name: str) -> None:
    """What `__all__` promises is there, with a docstring."""
    assert getattr(secondlook, name).__doc__
    assert name in dir(secondlook)


def test_all_is_sorted() -> None:
    """A list that people read is in order and names nothing twice."""
    assert secondlook.__all__ == sorted(set(secondlook.__all__))


def test_an_unknown_name() -> None:
    """A name that is not public is an AttributeError as in any module."""
    with pytest.raises(AttributeError, match="no attribute 'run_snapshots'"):
        _ = secondlook.run_snapshots  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType] -- that is the point


@pytest.mark.parametrize(
    "statements",
    [
        pytest.param("import secondlook", id="import secondlook"),
        pytest.param("from secondlook import SecondlookError", id="import an error"),
        pytest.param(
            "import contextlib, io\n"
            "from secondlook.cli import main\n"
            "with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):\n"
            "    main(['--help'])",
            id="secondlook --help",
        ),
    ],
)
def test_nothing_heavy_is_imported(statements: str, pytestconfig: pytest.Config) -> None:
    """Libraries that take long to import wait until they are needed."""
    program = f"{statements}\nimport sys\nprint([name for name in {HEAVY!r} if name in sys.modules])"
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=pytestconfig.rootpath
    )
    assert ran.stdout.strip() == "[]"
