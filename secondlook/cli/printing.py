"""What commands print: tables and JSON on standard output, plain messages on standard error."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Collection, Sequence

from secondlook.domain.untrusted_text import one_line
from secondlook.errors import AnswerRejected, SecondlookError

_GREEN, _RED, _YELLOW = 32, 31, 33
_COLORS = {
    **dict.fromkeys(("ok", "done", "accepted", "snapshot_generated"), _GREEN),
    **dict.fromkeys(("fail", "failed", "rejected"), _RED),
    **dict.fromkeys(("outcome unknown", "queued", "calling agent", "answer received"), _YELLOW),
    **dict.fromkeys(("pending", "ingested", "insufficient_data"), _YELLOW),
}
"""The colors of status words; others have none."""


def print_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: Collection[str] = ()
) -> None:
    """Print rows under a header, each column as wide as its widest cell.

    Args:
        header: The columns' names. A column named STATUS is colored on a terminal.
        rows: Their cells; text of others is cleaned.
        numbers: The columns that are aligned on the right.
    """
    table = [header, *([one_line(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(header))]
    for row in table:
        cells = [
            cell.rjust(width) if name in numbers else cell.ljust(width)
            for name, cell, width in zip(header, row, widths, strict=True)
        ]
        cells[-1] = cells[-1].rstrip()
        line = [colored(cell) if name == "STATUS" else cell for name, cell in zip(header, cells, strict=True)]
        print("  ".join(line).rstrip())


def colored(status: str) -> str:
    """Return a status word in its color where standard output is a terminal; otherwise as it is.

    Args:
        status: The word; white space around it stays. NO_COLOR in the environment turns colors off.
    """
    color = _COLORS.get(status.strip().lower())
    no_color = os.environ.get("NO_COLOR")  # noqa: TID251 -- the terminal's, no setting of this program
    if color is None or no_color or not sys.stdout.isatty():
        return status
    return f"\x1b[{color}m{status}\x1b[0m"


def print_error(error: SecondlookError, *, as_json: bool) -> int:
    """Print why a command failed, and what to do about it.

    Args:
        error: What went wrong.
        as_json: On standard output; else its message and its hint, a line each, on standard error.

    Returns:
        The exit code.
    """
    if as_json:
        print_json({"error": _error_fields(error)})
    else:
        print(one_line(error.message, limit=1000), file=sys.stderr)
        print_hint(error.hint, error.run_id)
    return 1


def print_hint(hint: str, run_id: str | None = None) -> None:
    """Print what to do, on a line of its own on standard error; nothing where there is no hint.

    Args:
        hint: It may name commands for RUN_ID.
        run_id: The run that they are for, so that they can be copied.
    """
    if hint:
        print(one_line(hint.replace("RUN_ID", run_id or "RUN_ID"), limit=1000), file=sys.stderr)


def _error_fields(error: SecondlookError) -> dict[str, object]:
    fields: dict[str, object] = {
        "code": error.code,
        "message": error.message,
        "hint": error.hint,
        "run_id": error.run_id,
        "usage": error.usage.model_dump() if error.usage else None,
    }
    if isinstance(error, AnswerRejected):
        fields |= {"reason": error.reason, "path": error.path}
    return fields


def print_json(value: object) -> None:
    """Print JSON for people and programs.

    Args:
        value: What `json` knows how to write.
    """
    print(json.dumps(value, indent=2))
