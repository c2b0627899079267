"""`secondlook report`: a page for stakeholders on standard output, or a real PDF file."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from secondlook import cli
from secondlook.domain.access import Access
from secondlook.execution.runner import Runner
from secondlook.services import connect
from secondlook.views.pdf import find_browser
from tests.examples import OTHER_USER, USER
from tests.processes import samples

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def snapshot_id() -> str:
    """A snapshot of a sample source."""
    runner = Runner(connect())
    return runner.execute(runner.submit(samples()[0].source_id, Access(USER)).run_id).run_id


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """The command in this process: its exit code, what it printed, and its messages."""

    def command(*arguments: str) -> tuple[int, str, str]:
        code = cli.main(("report", *arguments))
        said = capsys.readouterr()
        return code, said.out, said.err

    return command


def test_html(run: Run, snapshot_id: str) -> None:
    """The whole page, with what stands out; in JSON as well."""
    code, out, _ = run(snapshot_id)
    assert code == 0
    assert out.startswith("<!doctype html>")
    assert "took 22 days or more to decide" in out
    assert "Copy" not in out
    assert json.loads(run(snapshot_id, "--json")[1])["html"] == out.removesuffix("\n")


def test_another_users_snapshot(run: Run, snapshot_id: str, tmp_path: Path) -> None:
    """There is none, and no file."""
    code, out, err = run(snapshot_id, "--user", OTHER_USER, "--pdf", str(tmp_path / "a.pdf"))
    assert (code, out) == (1, "")
    assert err.splitlines()[0] == "Invalid snapshot_id: not found"
    assert not (tmp_path / "a.pdf").exists()


def test_without_a_browser(
    run: Run, snapshot_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says what to do."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("secondlook.views.pdf._PLACES", ())
    code, out, _ = run(snapshot_id, "--pdf", str(tmp_path / "a.pdf"), "--json")
    error = json.loads(out)["error"]
    assert (code, error["code"]) == (1, "setting_invalid")
    assert error["message"] == "No Chromium or Chrome was found on this machine"
    assert "Install Chromium" in error["hint"]


def test_a_browser_that_prints_nothing(
    run: Run, snapshot_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its failure is told, and no file is left."""
    broken = tmp_path / "chromium"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    code, _, err = run(snapshot_id, "--pdf", str(tmp_path / "a.pdf"))
    assert code == 1
    assert "did not print the report" in err
    assert not (tmp_path / "a.pdf").exists()


@pytest.mark.slow
@pytest.mark.skipif(find_browser() is None, reason="needs Chromium")
def test_pdf(run: Run, snapshot_id: str, tmp_path: Path) -> None:
    """One page, written where it was asked for; a file that cannot be written is told."""
    path = tmp_path / "report.pdf"
    assert run(snapshot_id, "--pdf", str(path)) == (0, f"{path}\n", "")
    printed = path.read_bytes()
    assert printed.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 1
    code, _, err = run(snapshot_id, "--pdf", str(tmp_path / "none" / "report.pdf"))
    assert code == 1
    assert "cannot be written" in err
