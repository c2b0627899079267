"""A Postgres server of one's own, on a free port of this machine."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from .processes import Child, StartFailed, free_port, running

_READY = "database system is ready to accept connections"
_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}  # no PG* variable of the caller's
_LOCALE = "C.UTF-8" if sys.platform == "linux" else "en_US.UTF-8"
_TRAVERSABLE = 0o001


def postgres_bin() -> Path | None:
    """The folder of the newest installed server's programs, initdb among them; None where there is none."""
    installed = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda found: _number(found.parts[-3])
    )
    if installed:
        return installed[-1].parent
    found = shutil.which("initdb")
    return Path(found).resolve().parent if found else None


def can_hold_postgres(folder: Path) -> bool:
    """Whether a server can run on data in this folder.

    Run as root, the server is another user's process, and that user has to reach the folder.
    """
    if os.geteuid() != 0:
        return True
    existing = [each for each in (folder, *folder.parents) if each.exists()]
    return all(each.stat().st_mode & _TRAVERSABLE for each in existing)


class Postgres:
    """A server on the data in a folder: made where they are missing, served on a free port.

    Args:
        programs: The folder of its programs.
        folder: Where its data, password and log stay.
        fsync: Whether a commit waits for the disk. Off is faster, and a power cut may cost the data.

    Raises:
        StartFailed: Its data cannot be made.
    """

    def __init__(self, programs: Path, folder: Path, *, fsync: bool) -> None:
        self.port = free_port()
        self._folder = folder
        self._user = _server_user()
        data = folder / "postgres"
        password_file = folder / "postgres.password"
        folder.mkdir(parents=True, exist_ok=True)
        if not (data / "PG_VERSION").exists():
            _make(programs, data, password_file, self._user)
        self._password = password_file.read_text(encoding="ascii").strip()
        options = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",  # their paths are short of room in a deep folder
            "shared_buffers": "32MB",
            "fsync": "on" if fsync else "off",
            "full_page_writes": "on" if fsync else "off",
        }
        self._command: list[str | Path] = [programs / "postgres", "-D", data, "-p", str(self.port)]
        for name, value in options.items():
            self._command += ["-c", f"{name}={value}"]
        self._server: Child | None = None

    def url(self, database: str = "postgres") -> str:
        """The `postgresql://` URL of one of its databases, for its superuser."""
        return f"postgresql://postgres:{self._password}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start it, and wait until it answers.

        Raises:
            StartFailed: It does not start.
        """
        self._server = server = running(
            self._command,
            log=self._folder / "postgres.log",
            environment=_ENVIRONMENT,
            folder=self._folder,
            stop_signal=signal.SIGINT,  # Postgres's fast shutdown
            user=self._user,
        )
        server.wait_until(lambda: _READY in server.log_text(), seconds=60)

    def stop(self, how: signal.Signals | None = None) -> None:
        """End it and every connection: in order, or with SIGQUIT at once. It can be started again."""
        if self._server is not None:
            self._server.stop(how)
            self._server = None


@contextmanager
def local_postgres(folder: Path | None = None, *, fsync: bool = True) -> Generator[Postgres]:
    """Run a Postgres server.

    Args:
        folder: Where its data stays; without one, it is thrown away at the end.
        fsync: Whether a commit waits for the disk.

    Raises:
        StartFailed: It does not start.
    """
    programs = postgres_bin()
    if programs is None:
        raise StartFailed("no Postgres server is installed (Debian: apt-get install postgresql)")
    with ExitStack() as stack:
        if folder is None:
            # Not inside a caller's temporary folder: those are closed to the user that the server runs as.
            made = tempfile.TemporaryDirectory(prefix="secondlook-postgres-", ignore_cleanup_errors=True)
            folder = Path(stack.enter_context(made))
            folder.chmod(0o711)
        server = Postgres(programs, folder.resolve(), fsync=fsync)
        stack.callback(server.stop)
        server.start()
        yield server


def _make(programs: Path, data: Path, password_file: Path, user: tuple[int, int] | None) -> None:
    """Make a data directory. A superuser without a password could be anyone's on a shared machine."""
    shutil.rmtree(data, ignore_errors=True)  # what an interrupted attempt left
    data.mkdir(mode=0o700)
    password_file.touch(mode=0o600)
    password_file.write_text(secrets.token_urlsafe(24), encoding="ascii")
    if user:
        os.chown(data, *user)
        os.chown(password_file, *user)
    options = ["-U", "postgres", "-E", "UTF8", f"--locale={_LOCALE}", "--no-sync", "-A", "scram-sha-256"]
    options += _collation(programs)
    made = subprocess.run(  # noqa: S603 -- the server's own program
        [programs / "initdb", "-D", data, *options, f"--pwfile={password_file}"],
        env=_ENVIRONMENT,
        cwd=data.parent,
        capture_output=True,
        text=True,
        check=False,
        user=user[0] if user else None,
        group=user[1] if user else None,
        extra_groups=[] if user else None,
    )
    if made.returncode:
        raise StartFailed(f"initdb failed:\n{made.stdout}{made.stderr}")


def _collation(programs: Path) -> list[str]:
    """Options for names in people's order, as on a hosted project; none before Postgres 15."""
    known = subprocess.run(  # noqa: S603 -- the server's own program
        [programs / "initdb", "--help"], env=_ENVIRONMENT, capture_output=True, text=True, check=False
    )
    return ["--locale-provider=icu", "--icu-locale=en-US"] if "--icu-locale" in known.stdout else []


def _server_user() -> tuple[int, int] | None:
    """Postgres refuses to run as root; then it runs as the user that its package made, or as nobody."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return found.pw_uid, found.pw_gid
    raise StartFailed("Postgres cannot run as root, and there is no user to run it as")


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0
