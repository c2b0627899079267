"""`make supabase`: a Supabase in the foreground, with people and sources, until Ctrl+C."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import get_args

from .env_file import settings_in
from .people import PEOPLE, welcome
from .processes import StartFailed
from .server import Driver, Server, Unavailable, local_supabase

_POLL_SECONDS = 0.5
_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(arguments: list[str] | None = None) -> int:
    """Serve until interrupted; the exit code."""
    options = _options(arguments)
    for each in _STOPPING:
        signal.signal(each, _interrupt)
    try:
        with local_supabase(
            Path(options.folder),
            port=options.port,
            jwt_expiry=options.jwt_expiry,
            driver=options.driver,
            site_url=options.site,
        ) as server:
            settings = {
                "SUPABASE_URL": server.url,
                "SUPABASE_KEY": server.publishable_key,
                "SUPABASE_SECRET_KEY": server.secret_key,
            }
            for person in PEOPLE:
                welcome(server, person)
            with settings_in(Path(options.env_file), settings):
                _say(_greeting(server, settings, options.env_file))
                return _serve(server)
    except KeyboardInterrupt:
        _say("Stopped.")
        return 0
    except (StartFailed, Unavailable) as error:
        sys.stderr.write(f"{error}\n")
        return 1


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m dev.local_supabase", description=__doc__)
    parser.add_argument("--port", type=int, default=54321, help="where it listens on this machine")
    parser.add_argument("--driver", choices=get_args(Driver), default="auto", help="what is behind it")
    parser.add_argument("--folder", default=".secondlook/supabase", help="where its data stays")
    parser.add_argument(
        "--site", default="http://localhost:8501", help="where the links in mails lead in the end"
    )
    parser.add_argument("--jwt-expiry", type=int, default=3600, help="seconds until an access token expires")
    parser.add_argument(
        "--env-file", default=".env.local", help="where the settings are written while it runs"
    )
    return parser.parse_args(arguments)


def _greeting(server: Server, settings: dict[str, str], env_file: str) -> str:
    people = [
        f"  {person.email}  {person.password}" + (f"  ({person.role})" if person.role else "")
        for person in PEOPLE
    ]
    return "\n".join(
        [
            "",
            f"Supabase runs on {server.driver}; its data stays in {server.folder}.",
            "",
            *(f"  {name}={value}" for name, value in settings.items()),
            "",
            "Sign in with (unless you changed the password):",
            *people,
            "",
            f"The settings are in {env_file} until it stops: `make run` works against it.",
            "Mails are printed here. Ctrl+C stops it.",
            "",
        ]
    )


def _serve(server: Server) -> int:
    printed = len(server.mails)
    while server.api.running:
        time.sleep(_POLL_SECONDS)
        mails = server.mails
        for mail in mails[printed:]:
            _say(f"--- Mail to {mail.to}: {mail.subject}\n{mail.text}\n---")
        printed = len(mails)
    sys.stderr.write(f"The server ended by itself:\n{server.api.log_text()[-3000:]}\n")
    return 1


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 -- the signature of a handler
    for each in _STOPPING:
        signal.signal(each, signal.SIG_IGN)  # an impatient second one would leave the settings behind
    raise KeyboardInterrupt


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
