"""The environment of what is measured: no setting of whoever runs it, so nothing of theirs is reached."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).parent.parent

_SETTINGS = ("SECONDLOOK_", "OPENAI_", "SUPABASE_", "NEXT_PUBLIC_SUPABASE_")


def clean(**settings: str) -> dict[str, str]:
    """This process's environment with these settings and no others; the project can be imported in it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_SETTINGS)}
    return {**kept, "PYTHONPATH": str(ROOT), **settings}


def move_to(folder: Path) -> None:
    """Clean this process's own environment, and leave the folder where a `.env.local` may be."""
    os.chdir(folder)
    kept = clean()
    os.environ.clear()
    os.environ.update(kept)
