"""The server: a database, its migrations, and the API in front of it."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import subprocess
import tempfile
import threading
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from .asking import Answer, ask
from .mails import Mail, read_mails
from .node import NodeMissing, lite, node
from .postgres import can_hold_postgres, local_postgres, postgres_bin
from .processes import Child, StartFailed, free_port, is_free, running

Driver: TypeAlias = Literal["auto", "postgres", "pglite"]

_PROJECT = Path(__file__).resolve().parents[2] / "supabase"
_PUBLISHABLE_KEY = "sb_publishable_local"
_SECRET_KEY = "sb_secret_local"  # noqa: S105 -- guards sample data on this machine
_JWT_SECRET = "local-only-jwt-secret-of-at-least-32-characters"  # noqa: S105 -- as above


class Unavailable(RuntimeError):
    """This machine cannot run one, whatever the project does: what is missing is in the message."""


class _Sql:
    """Runs statements behind the API, over a socket that the server has inherited.

    Both drivers have it: pglite's database belongs to the server's own process.
    """

    def __init__(self, end: socket.socket) -> None:
        self._lines = end.makefile("rw", encoding="utf-8", newline="\n")
        self._one_at_a_time = threading.Lock()

    def run(self, statement: str, values: tuple[object, ...]) -> list[dict[str, Any]]:
        with self._one_at_a_time:
            self._lines.write(json.dumps({"statement": statement, "values": values}) + "\n")
            self._lines.flush()
            line = self._lines.readline()
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(f"{answer['error']}: {statement}")
        return answer["rows"]

    def close(self) -> None:
        self._lines.close()


@dataclass(frozen=True)
class Server:
    """A running Supabase."""

    url: str
    publishable_key: str
    secret_key: str
    jwt_secret: str
    driver: Literal["postgres", "pglite"]
    database_url: str | None
    """Of the Postgres behind it; pglite has none."""
    folder: Path
    """Its data, logs and mails."""
    api: Child
    _sql: _Sql

    @property
    def mail_folder(self) -> Path:
        """Where its mails are, a file each."""
        return self.folder / "mails"

    @property
    def mails(self) -> list[Mail]:
        """What it would have sent, oldest first."""
        return read_mails(self.mail_folder)

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        token: str | None = None,
        secret: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request: with a user's access token, with the secret key, or as nobody."""
        sent = {"apikey": self.secret_key if secret else self.publishable_key, **(headers or {})}
        if token:
            sent["Authorization"] = f"Bearer {token}"
        return ask(method, self.url + path, body, sent)

    def sql(self, statement: str, *values: object) -> list[dict[str, Any]]:
        """Run one statement behind the API and give its rows; placeholders are $1, $2, ..."""
        return self._sql.run(statement, values)


@contextmanager
def local_supabase(
    folder: Path | None = None,
    *,
    port: int | None = None,
    jwt_expiry: int = 3600,
    driver: Driver = "auto",
    site_url: str = "http://localhost:8501",
    fsync: bool = True,
) -> Generator[Server]:
    """Run a Supabase with the product's tables.

    Args:
        folder: Where data, logs and mails stay; without one, they are thrown away at the end.
        port: Where it listens on 127.0.0.1; without one, on a free port.
        jwt_expiry: After how many seconds an access token expires.
        driver: What is behind it; auto: a real Postgres where one can run, otherwise pglite.
        site_url: Where mails lead a person after their link was verified.
        fsync: Whether a commit waits for the disk.

    Raises:
        Unavailable: This machine cannot run one.
        StartFailed: It does not start.
    """
    try:
        cli = lite()
    except NodeMissing as error:
        raise Unavailable(str(error)) from error
    if port is not None and not is_free(port):
        raise StartFailed(f"port {port} is in use")
    with ExitStack() as stack:
        if folder is None:
            made = tempfile.TemporaryDirectory(prefix="secondlook-supabase-", ignore_cleanup_errors=True)
            folder = Path(stack.enter_context(made))
            folder.chmod(0o711)  # the Postgres user passes through
        folder = folder.resolve()
        folder.mkdir(parents=True, exist_ok=True)
        stack.enter_context(_held(folder))
        chosen = _chosen(driver, folder)
        environment = {
            "PATH": os.defpath,
            "HOME": str(folder),
            "LITE_TELEMETRY": "0",
            "LITE_PORT": str(port or free_port()),
            "LITE_JWT_EXPIRY": str(jwt_expiry),
            "LITE_JWT_SECRET": _JWT_SECRET,
            "LITE_PUBLISHABLE_KEY": _PUBLISHABLE_KEY,
            "LITE_SECRET_KEY": _SECRET_KEY,
            "LITE_SITE_URL": site_url,
            "LITE_MAIL_DIR": str(folder / "mails"),
        }
        database_url: str | None = None
        if chosen == "postgres":
            database_url = stack.enter_context(local_postgres(folder, fsync=fsync)).url()
            environment["LITE_DB_URL"] = database_url
        else:
            environment["LITE_PGLITE_DIR"] = str(folder / "pglite")
        command = [node(), cli]
        workplace = _workplace(folder)
        _migrate(command, workplace, environment)
        api, sql = _start(stack, command, workplace, environment)
        server = Server(
            url=f"http://127.0.0.1:{environment['LITE_PORT']}",
            publishable_key=_PUBLISHABLE_KEY,
            secret_key=_SECRET_KEY,
            jwt_secret=_JWT_SECRET,
            driver=chosen,
            database_url=database_url,
            folder=folder,
            api=api,
            _sql=sql,
        )
        api.wait_until(lambda: _answers(server), seconds=90)
        yield server


@contextmanager
def _held(folder: Path) -> Generator[None]:
    """Two servers on the same files would spoil them, and pglite would not notice."""
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StartFailed(f"another local Supabase runs on {folder}") from None
        yield


def _chosen(driver: Driver, folder: Path) -> Literal["postgres", "pglite"]:
    if driver != "auto":
        return driver
    return "postgres" if postgres_bin() and can_hold_postgres(folder) else "pglite"


def _workplace(folder: Path) -> Path:
    """A folder that looks like the project to lite, so that what it writes stays out of the real one."""
    project = folder / "project" / "supabase"
    project.mkdir(parents=True, exist_ok=True)
    for name in ("config.mjs", "migrations"):
        link = project / name
        link.unlink(missing_ok=True)
        link.symlink_to(_PROJECT / name)
    return project.parent


def _migrate(command: list[Path], workplace: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(  # noqa: S603 -- our own command
        [*command, "migration", "up", "--config", "supabase/config.mjs"],
        cwd=workplace,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if done.returncode:
        raise StartFailed(f"the migrations failed:\n{done.stdout}{done.stderr}")


def _start(
    stack: ExitStack, command: list[Path], workplace: Path, environment: dict[str, str]
) -> tuple[Child, _Sql]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        api = stack.enter_context(
            running(
                # Without --no-admin, requests without a key would run as service_role.
                [*command, "start", "--no-admin", "--config", "supabase/config.mjs"],
                log=workplace.parent / "api.log",
                environment={**environment, "LITE_SQL_FD": str(theirs.fileno())},
                folder=workplace,
                inherited=[theirs.fileno()],
            )
        )
        sql = _Sql(ours)
        stack.callback(sql.close)
    return api, sql


def _answers(server: Server) -> bool:
    """Whether the tables can be read; the API listens before its database is there."""
    try:
        return server.ask("GET", "/rest/v1/sources?select=id&limit=1", secret=True).status == 200
    except OSError:
        return False
