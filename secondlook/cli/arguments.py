"""The frame that each module adds its commands to, and arguments that several commands share."""

from __future__ import annotations

import argparse
import atexit
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from secondlook.services import Services


class Commands:
    """The commands of a parser."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self._parsers = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def add(
        self, name: str, command: Callable[[argparse.Namespace], int], text: str
    ) -> argparse.ArgumentParser:
        """Add a command, which can print JSON as each can.

        Args:
            name: What is typed.
            command: Runs it and returns the exit code.
            text: What it does, for --help.

        Returns:
            The command's own parser, for its arguments.
        """
        added = self._parsers.add_parser(name, help=text, description=text)
        added.set_defaults(command=command)
        added.add_argument("--json", action="store_true", help="print JSON")
        return added


def add_user(to: argparse.ArgumentParser) -> None:
    """Add the option that names the user.

    Args:
        to: The command's parser.
    """
    to.add_argument("--user", metavar="U", help="the user's UUID; SECONDLOOK_USER by default")


def whole(text: str) -> int:
    """Read a concurrency.

    Args:
        text: As typed.

    Returns:
        The number.

    Raises:
        ArgumentTypeError: It is not a number from 1 to 256.
    """
    number = int(text) if text.isdecimal() else 0
    if not 1 <= number <= 256:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to 256")
    return number


def user_of(args: argparse.Namespace, services: Services) -> str:
    """Return the user of a command.

    Args:
        args: With `user`.
        services: Has the default user.

    Returns:
        The user's UUID.
    """
    from secondlook.domain.identifiers import canonical

    return services.default_user() if args.user is None else canonical(args.user, "user_id")


def log_to_stderr() -> None:
    """Print the log of runs on standard error, and begin to trace them where that is asked for."""
    from secondlook.settings import load_settings
    from secondlook.telemetry import log, tracing

    log.configure(json_lines=load_settings().log_format == "json")
    tracing.start()
    atexit.register(tracing.stop)
