"""What docs/deploy.md hands out works: the image, the unit, the proxy's file, the names in compose.yaml."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Generator, Sequence
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from dev.container import build
from secondlook.settings import Settings, environment_names
from tests.processes import eventually

pytestmark = pytest.mark.image

ROOT = Path(__file__).resolve().parents[1]
IMAGE = "localhost/secondlook-test"


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    return subprocess.run(command, capture_output=True, text=True, check=False)


def need(*programs: str) -> None:
    """Skip where a program is missing; in CI, fail."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing and "CI" in os.environ:
        pytest.fail(f"{missing} must be installed in CI")
    if missing or (os.geteuid() != 0 and "buildah" in programs):
        pytest.skip(f"{missing or 'root'} is needed")


@pytest.fixture(scope="module")
def container() -> Generator[str]:
    """A container of the Dockerfile's image, made anew."""
    need("buildah", "mmdebstrap")
    build(IMAGE)
    made = run("buildah", "from", IMAGE).stdout.strip()
    yield made
    run("buildah", "rm", made)
    run("buildah", "rmi", IMAGE, "localhost/secondlook-base")


def inside(container: str, command: Sequence[str], **env: str) -> list[str]:
    """The command that runs another one inside, as the image's user."""
    options = [part for name, value in env.items() for part in ("--env", f"{name}={value}")]
    return ["buildah", "run", "--isolation", "chroot", *options, container, "--", *command]


def test_the_image_serves_as_nobody_in_particular(container: str) -> None:
    """Its command, as its user: healthy, ready, and with files that only that user can read."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = inside(container, ["secondlook", "serve", "--port", str(port)])
    with subprocess.Popen(command, stderr=subprocess.PIPE) as server:
        try:

            def ready() -> bool:
                try:
                    return urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5).status == 200
                except (URLError, OSError):
                    return False

            eventually(ready, 60)
        finally:
            run("pkill", "-f", f"serve --port {port}")
            server.wait(30)
    listed = run(*inside(container, ["stat", "-c", "%u %a %n", "/data/ledger.db", "/data/store.db"])).stdout
    assert listed.split() == ["10001", "600", "/data/ledger.db", "10001", "600", "/data/store.db"]


def test_nothing_else_can_be_written(container: str) -> None:
    """Neither the program nor its libraries."""
    for folder in ("/srv/secondlook", "/opt/secondlook", "/etc", "/"):
        assert run(*inside(container, ["touch", f"{folder}/canary"])).returncode != 0, folder
    assert run(*inside(container, ["id", "-u"])).stdout.strip() == "10001"


def test_it_is_the_command_line_too(container: str) -> None:
    """`check` passes; the workers' command says what it lacks."""
    assert run(*inside(container, ["secondlook", "check"])).returncode == 0
    worker = run(*inside(container, ["secondlook", "worker"]))
    assert "SECONDLOOK_LEDGER_URL is not set" in worker.stderr


def test_the_image_holds_no_secret_or_test(container: str) -> None:
    """Nothing of the checkout that the program does not need."""
    listed = run(*inside(container, ["find", "/srv/secondlook", "-maxdepth", "1", "-printf", "%f\n"])).stdout
    expected = {"secondlook", "requirements", "pyproject.toml", "README.md", "app.py", "pages"}
    assert {name for name in listed.split() if not name.endswith((".egg-info", "__pycache__"))} == expected


def test_the_unit_is_one() -> None:
    """As systemd reads it, apart from a program that is not installed here."""
    need("systemd-analyze")
    said = run("systemd-analyze", "verify", str(ROOT / "deploy" / "secondlook.service")).stderr
    wrong = [line for line in said.splitlines() if "secondlook.service" in line]
    assert [line for line in wrong if "is not executable" not in line] == []


def test_the_proxys_file_is_one() -> None:
    """As Caddy reads it."""
    need("caddy")
    file = str(ROOT / "deploy" / "Caddyfile")
    found = subprocess.run(
        [shutil.which("caddy") or "", "validate", "--adapter", "caddyfile", "--config", file],
        env={**os.environ, "SITE": "localhost"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr


def test_compose_names_settings_that_exist() -> None:
    """Each variable of our containers is a setting, or one that docs/settings.md knows."""
    text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    ours = set(re.findall(r"^ +([A-Z][A-Z_]+):", text, re.MULTILINE))
    known = {name for field in Settings.model_fields for name in environment_names(field)}
    postgres = {"POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD"}
    assert ours - postgres - known == {"FORWARDED_ALLOW_IPS"}
