"""Builds the Dockerfile with buildah, on a base made of Debian's packages where no image can be pulled.

    python -m dev.container IMAGE    builds it and prints what it stands on

Needs root, buildah and mmdebstrap. Steps run with chroot isolation, so it works inside other containers, too.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CERTIFICATES = Path("/etc/ssl/certs")


def build(image: str) -> str:
    """Build the image, and return which base it stands on.

    Raises:
        CalledProcessError: A step failed; its output is on standard error.
    """
    base = "the base image that the Dockerfile names"
    with tempfile.TemporaryDirectory() as folder:
        arguments = _index_mounts(Path(folder))
        pulled = subprocess.run(
            ["buildah", "pull", "--quiet", _named_base()], check=False, capture_output=True
        )
        if pulled.returncode:
            base = "a base of Debian's packages: the image that the Dockerfile names cannot be pulled"
            arguments += ["--build-arg", f"BASE={_debian(Path(folder))}"]
        _run(
            "buildah",
            "build",
            "--format",
            "docker",
            "--isolation",
            "chroot",
            *arguments,
            "--tag",
            image,
            str(ROOT),
        )
    return base


def _named_base() -> str:
    found = re.search(r"^ARG BASE=(\S+)", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    return found[1] if found else ""


def _debian(folder: Path) -> str:
    """An image of Debian with Python."""
    archive = folder / "base.tar"
    _run(
        "mmdebstrap",
        "--quiet",
        "--variant=minbase",
        "--include=python3,python3-venv",
        "bookworm",
        str(archive),
    )
    container = _run("buildah", "from", "scratch")
    _run("buildah", "add", "--quiet", container, str(archive), "/")
    _run("buildah", "commit", "--quiet", container, "localhost/secondlook-base")
    _run("buildah", "rm", container)
    return "localhost/secondlook-base"


def _index_mounts(folder: Path) -> list[str]:
    """Let pip inside find packages as it does here: its configuration, and the files that this names."""
    listed = _run(sys.executable, "-m", "pip", "config", "list")
    options = dict(re.findall(r"^(?:global|:env:)\.([\w-]+)='(.*)'$", listed, re.MULTILINE))
    config = folder / "pip.conf"
    config.write_text(
        "[global]\n" + "".join(f"{name} = {value}\n" for name, value in options.items()), encoding="utf-8"
    )
    named = {
        Path(path) for value in options.values() for path in re.findall(r"(?:file://)?(/[\w./-]+)", value)
    }
    # An index of files names those beside it.
    mounts = {path.parent if path.name == "simple" else path for path in named if path.exists()}
    mounts |= {CERTIFICATES} if CERTIFICATES.is_dir() else set[Path]()
    mounts = {path for path in mounts if not any(above in mounts for above in path.parents)}
    return [
        *("--volume", f"{config}:/etc/pip.conf:ro"),
        *(part for path in sorted(mounts) for part in ("--volume", f"{path}:{path}:ro")),
    ]


def _run(*command: str) -> str:
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.strip()


if __name__ == "__main__":
    print(f"{sys.argv[1]} stands on {build(sys.argv[1])}")
