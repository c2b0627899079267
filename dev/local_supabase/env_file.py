"""The local Supabase's settings in `.env.local`, between two marks, while it runs."""

from __future__ import annotations

import os
import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

_BEGIN = "# make supabase: these lines go when it stops"
_END = "# make supabase: end"
# One that somebody has cut the end off stays: what follows it may be theirs.
_BLOCK = re.compile(rf"^{_BEGIN}\n(?:(?!{_BEGIN}$).*\n)*?{_END}(?:\n|\Z)", re.MULTILINE)


@contextmanager
def settings_in(file: Path, settings: Mapping[str, str]) -> Generator[None]:
    """Write the settings at the end of the file, where they count; take them out again at the end.

    Every other line stays as it is. A file that did not exist is gone afterwards, unless it was written to.
    """
    existed = file.exists()
    before = _without_block(_read(file))
    glue = "" if not before or before.endswith("\n") else "\n"
    lines = [_BEGIN, *(f"{name}={value}" for name, value in settings.items()), _END]
    _write(file, before + glue + "\n".join(lines) + "\n")
    try:
        yield
    finally:
        after = _without_block(_read(file))
        if not existed and not after:
            file.unlink(missing_ok=True)
        else:
            _write(file, after)


def _without_block(text: str) -> str:
    return _BLOCK.sub("", text)


def _read(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.exists() else ""


def _write(file: Path, text: str) -> None:
    """Replace the file at once: a reader, or a kill, never meets half of somebody's settings."""
    mode = file.stat().st_mode & 0o777 if file.exists() else 0o600
    file = file.resolve()  # a link stays a link
    beside = file.with_name(file.name + ".new")
    beside.unlink(missing_ok=True)
    with os.fdopen(
        os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8"
    ) as new:
        new.write(text)
    beside.chmod(mode)
    beside.replace(file)
