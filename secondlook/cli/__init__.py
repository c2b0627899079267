"""The command line: parse, call what the pages call, print, exit.

Exit codes: 0 done, 1 refused or failed, 2 wrong usage. Results go to standard output, the log and plain
messages to standard error. Each module with an `add` adds the commands of its noun; its `POSITION` is
their place in --help. What takes long to import waits until a command needs it.

`serving` starts servers and workers, and `checks` is its `check`. `sources`, `comparison`, `runs` (with
`inspect_run`), `batch` and `trial` are for a user's work, `budgets`, `usage`, `pruning` and `backups` for the
operator. They share `arguments`, `identify` and `printing`.
"""

from __future__ import annotations

import argparse
import io
import pkgutil
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from types import ModuleType

from secondlook.cli.arguments import Commands
from secondlook.cli.printing import print_error
from secondlook.errors import SecondlookError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: Without the program's name; None takes the process's own.

    Returns:
        The exit code.
    """
    args = _parser().parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that cannot show a name shows its code
    command: Callable[[argparse.Namespace], int] = args.command
    try:
        return command(args)
    except SecondlookError as error:
        return print_error(error, as_json=args.json)
    except BrokenPipeError:
        sys.stderr.close()  # the reader closed the pipe: nothing more can be printed
        return 1
    except KeyboardInterrupt:
        print("Interrupted. `secondlook runs` lists the runs that were started.", file=sys.stderr)
        return 130
    except Exception as error:  # noqa: BLE001 -- a traceback could hold what no one may see
        unexpected = SecondlookError(
            f"Unexpected error ({type(error).__name__})", hint="Run `secondlook check`."
        )
        return print_error(unexpected, as_json=args.json)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="secondlook", description="Snapshots of bucketed estimates.")
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = Commands(parser)
    modules = (import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__))
    for noun in sorted((each for each in modules if hasattr(each, "add")), key=_position):
        noun.add(commands)
    return parser


class _Version(argparse.Action):
    """Prints the version, which argparse's own action would need before anybody asks."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object, **__: object) -> None:
        """Print it and exit."""
        from importlib.metadata import version

        print(f"secondlook {version('secondlook')}")
        parser.exit()


def _position(noun: ModuleType) -> int:
    return noun.POSITION
