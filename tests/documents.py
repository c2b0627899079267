"""The README and docs/ as texts: their sections, tables, blocks and links, for the tests that hold them."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = "README.md"
PAGES: dict[str, str] = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in (ROOT / README, *sorted((ROOT / "docs").glob("*.md")))
}
"""Each page's text by its path in the repository."""

_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def section(page: str, heading: str) -> str:
    """Return what stands under a heading of the second level, up to the next one."""
    return PAGES[page].split(f"\n## {heading}\n")[1].split("\n## ")[0]


def rows(text: str) -> list[list[str]]:
    """Return the cells of all tables of a text, without their heads."""
    tables: list[str] = re.findall(r"(?:^\|.*\n?)+", text, re.MULTILINE)
    lines = [line for table in tables for line in table.splitlines()[2:]]
    return [re.split(r" (?<!\\)\| ", line.removeprefix("| ").removesuffix(" |")) for line in lines]


def blocks(page: str, language: str) -> list[str]:
    """Return a page's fenced blocks of a language; the empty name is that of blocks without one."""
    return [text for name, text in _FENCED.findall(PAGES[page]) if name == language]


def prose(page: str) -> str:
    """Return a page without its fenced blocks."""
    return _FENCED.sub("", PAGES[page])


def anchors(page: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings: list[str] = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
