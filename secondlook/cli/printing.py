"""What commands print: tables and JSON on standard output, plain messages on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from secondlook.domain.untrusted_text import one_line
from secondlook.errors import AnswerRejected, ImportRefused, SecondlookError


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under a header, each column as wide as its widest cell.

    Args:
        header: The columns' names.
        rows: Their cells; text of others is cleaned.
    """
    table = [header, *([one_line(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(header))]
    for row in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def print_error(error: SecondlookError, *, as_json: bool) -> int:
    """Print why a command failed.

    Args:
        error: What went wrong.
        as_json: On standard output; else its message, of a file also what to do about it, on standard error.

    Returns:
        The exit code.
    """
    if as_json:
        print_json({"error": _error_fields(error)})
    else:
        text = (
            f"{error.message.rstrip('.')}. {error.hint}"
            if isinstance(error, ImportRefused)
            else error.message
        )
        print(one_line(text, limit=1000), file=sys.stderr)
    return 1


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
