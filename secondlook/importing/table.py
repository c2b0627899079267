"""A table of texts: its first rows, and all of it in chunks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

HEAD_ROWS = 300  # rows that the header and the columns are found by


@dataclass(frozen=True)
class Line:
    """A row of the table's beginning: its line in the file, from 1, and its cells."""

    number: int
    cells: list[str]


@dataclass(frozen=True)
class Chunk:
    """Rows of a table.

    Attributes:
        lines: The line of each row in the file.
        cells: Their texts, a column a position, empty where a row has no such cell.
        overlong: Whether a row has text beyond the last column.
        done: The share of the file that has been read, 0 to 1.
    """

    lines: npt.NDArray[np.int64]
    cells: pd.DataFrame
    overlong: npt.NDArray[np.bool_]
    done: float


class Table(Protocol):
    """A table in a file."""

    @property
    def head(self) -> list[Line]:
        """The first rows, at most HEAD_ROWS, without blank ones."""
        ...

    @property
    def facts(self) -> list[str]:
        """What to say of how it was read."""
        ...

    def chunks(self, after: int, width: int) -> Iterator[Chunk]:
        """Its rows, blank ones included.

        Args:
            after: The header's line; rows begin after it.
            width: The number of columns.
        """
        ...


def as_chunk(rows: list[tuple[int, list[str]]], width: int, done: float) -> Chunk:
    """Rows with their lines as a chunk.

    Args:
        rows: Line and cells of each.
        width: The number of columns; shorter rows are filled up.
        done: The share of the file that has been read.
    """
    import numpy as np
    import pandas as pd

    blank = [""] * width
    cells = [(row + blank)[:width] for _, row in rows]
    return Chunk(
        lines=np.array([line for line, _ in rows], dtype=np.int64),
        cells=pd.DataFrame(cells, columns=range(width), dtype="str"),
        overlong=np.array([any(cell.strip() for cell in row[width:]) for _, row in rows], dtype=bool),
        done=done,
    )
