"""The header line and the columns' roles: by hand, by name, by content."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TypedDict, cast, get_args

from secondlook.domain.untrusted_text import one_line
from secondlook.errors import ImportRefused
from secondlook.importing.amounts import looks_like_amount
from secondlook.importing.dates import read_date
from secondlook.importing.estimates import Role
from secondlook.importing.table import Line

ROLES: tuple[Role, ...] = get_args(Role)
BLANKS = ("", "-", "–", "—", "n/a", "N/A", "#N/A")  # noqa: RUF001 -- exports write blanks with dashes of all kinds


class Tool(TypedDict):
    """A tool, told by headers that it has; `ask`: statuses that say too little there."""

    name: str
    has: list[str]
    source_type: str
    ask: list[str]


class Synonyms(TypedDict):
    """`synonyms.json`: headers by role, the preferred first; statuses that count and that do not; tools."""

    columns: dict[Role, list[str]]
    statuses: dict[str, list[str]]
    tools: list[Tool]


@cache
def synonyms() -> Synonyms:
    """The data file."""
    text = resources.files("secondlook.importing").joinpath("synonyms.json").read_text(encoding="utf-8")
    return cast("Synonyms", json.loads(text))


@cache
def _by_role() -> dict[Role, list[str]]:
    return {role: [_plain(name) for name in names] for role, names in synonyms()["columns"].items()}


@cache
def _known() -> dict[str, Role]:
    return {name: role for role, names in reversed(_by_role().items()) for name in names}


def _plain(header: str) -> str:
    """A header in lower case, without signs but `#`, in single spaces."""
    return " ".join(re.sub(r"[^\w#]+|_", " ", header.casefold()).split())


def header_score(cells: Sequence[str]) -> int:
    """How many roles the cells of a row name."""
    known = _known()
    return len({known[name] for name in map(_plain, cells) if name in known})


@dataclass(frozen=True)
class Header:
    """The header line.

    Attributes:
        line: Its line in the file.
        names: The columns' headers.
        above: Title lines before it.
    """

    line: int
    names: tuple[str, ...]
    above: tuple[int, ...]

    def find(self, name: str) -> int:
        """The position of a column that a person names; `#3` is the third.

        Args:
            name: The header, to the letter or but for case and signs.

        Raises:
            ImportRefused: There is no such column, or there are several.
        """
        if re.fullmatch(r"#[0-9]{1,5}", name) and 1 <= int(name[1:]) <= len(self.names):
            return int(name[1:]) - 1
        for same in (str, _plain):
            found = [position for position, each in enumerate(self.names) if same(each) == same(name)]
            if len(found) > 1:
                listed = " or ".join(f"#{position + 1}" for position in found)
                raise ImportRefused(
                    f"The column {one_line(name)} comes {len(found)} times", hint=f"Name {listed}."
                )
            if found:
                return found[0]
        raise ImportRefused(f"The file has no column {one_line(name)}",
                          hint=f"It has: {one_line(', '.join(self.names), 400)}.")  # fmt: skip

    def label(self, position: int) -> str:
        """What to call a column: its header, or its number where it has none or shares it."""
        name = self.names[position]
        return name if name.strip() and self.names.count(name) == 1 else f"#{position + 1}"


def find_header(head: Sequence[Line], named: Sequence[str]) -> Header:
    """The header: the row with the most known names; where there is none, the first of the usual width.

    Args:
        head: The table's first rows.
        named: Headers that a person has named; the row has them all.

    Raises:
        ImportRefused: The file has one column alone.
    """
    wanted = {name for name in named if name and not name.startswith("#")}
    candidates = [line for line in head[:60] if wanted <= set(line.cells)] if wanted else []
    candidates = candidates or list(head[:60])
    best = max(candidates, key=lambda line: (header_score(line.cells), -line.number))
    if header_score(best.cells) < 2:
        widths = [sum(1 for cell in line.cells if cell.strip()) for line in candidates]
        best = candidates[widths.index(max(widths))]
    cells = [one_line(cell.strip()) for cell in best.cells]
    width = len(cells)
    if width < 2:
        raise ImportRefused("The file has one column",
                          hint="Columns are separated by comma, semicolon, tab or bar; "
                               "another worksheet is read by its name (--sheet).")  # fmt: skip
    if width > 16_384:
        raise ImportRefused(f"The file has {width:,} columns; at most 16,384 are read")
    above = tuple(line.number for line in head if line.number < best.number)
    return Header(best.number, tuple(cells), above)


def tool_of(header: Header) -> Tool | None:
    """The tool whose headers these are."""
    names = {_plain(name) for name in header.names}
    return next((tool for tool in synonyms()["tools"] if set(tool["has"]) <= names), None)


def find_columns(header: Header, head: Sequence[Line], chosen: Mapping[str, str]) -> dict[Role, int]:
    """The position of each role's column.

    Args:
        header: The header line.
        head: The table's first rows.
        chosen: The header by role, from a person; empty: there is none.

    Raises:
        ImportRefused: A role or a column does not exist, or a column's header comes twice.
    """
    found: dict[Role, int] = {}
    for role, name in chosen.items():
        if role not in ROLES:
            raise ImportRefused(f"There is no role {one_line(role)}", hint=f"Roles: {', '.join(ROLES)}.")
        if name:
            found[role] = header.find(name)
    by_hand = set(found.values())
    plain = [_plain(name) for name in header.names]
    for role, names in _by_role().items():
        if role in chosen:
            continue
        name = next((name for name in names if name in plain and plain.index(name) not in by_hand), None)
        if name is None:
            continue
        if plain.count(name) > 1:
            header.find(header.names[plain.index(name)])
        if plain.index(name) not in found.values():
            found[role] = plain.index(name)
    _find_by_content(found, header, [line for line in head if line.number > header.line], chosen)
    return found


def _find_by_content(
    found: dict[Role, int], header: Header, rows: Sequence[Line], chosen: Mapping[str, str]
) -> None:
    """Add roles that one column alone can have by what stands in it."""
    texts = {
        position: [line.cells[position].strip() for line in rows if position < len(line.cells)]
        for position in range(min(len(header.names), 200))
        if position not in found.values()
    }
    texts = {position: [cell for cell in cells if cell not in BLANKS] for position, cells in texts.items()}
    statuses = {status for each in synonyms()["statuses"].values() for status in each}
    tests: dict[str, Callable[[str], bool]] = {
        "date": lambda cell: not cell.isdigit() and read_date(cell, "mdy", None).reason != "not a date",
        "status": lambda cell: cell.casefold() in statuses,
        "amount": looks_like_amount,
    }
    kinds = {
        kind: [position for position, cells in texts.items()
               if len(cells) >= 2 and sum(map(test, cells)) >= 0.8 * len(cells)]
        for kind, test in tests.items()
    }  # fmt: skip
    free: set[Role] = set(ROLES) - set(found) - cast("set[Role]", set(chosen))
    for kind, role in (("status", "status"), ("amount", "amount")):
        if role in free and len(kinds[kind]) == 1:
            found[role] = kinds[kind][0]
    if {"created_at", "closed_at"} <= free and len(kinds["date"]) == 2:
        pairs = [
            [read_date(line.cells[position].strip(), "mdy", None).micros for position in kinds["date"]]
            for line in rows
            if len(line.cells) > max(kinds["date"])
        ]
        signs = {(a > b) - (a < b) for a, b in pairs if a is not None and b is not None} - {0}
        if len(signs) == 1:
            first, second = kinds["date"] if signs == {-1} else reversed(kinds["date"])
            found["created_at"], found["closed_at"] = first, second
