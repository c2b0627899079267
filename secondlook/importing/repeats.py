"""Estimates that come again further down, found in bounded memory.

Rows are compared by 64 bits of their estimate's id and source; what does not fit in memory waits on disk, in
files without a name.
"""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_PARTS = 64
_IN_MEMORY = 1 << 20  # bytes of a part


class Repeats:
    """Keys of rows, and which of them come again."""

    def __init__(self) -> None:
        self._parts = [tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) for _ in range(_PARTS)]  # noqa: SIM115 -- closed at the end of the block

    def add(self, keys: npt.NDArray[np.uint64], rows: npt.NDArray[np.int64]) -> None:
        """Note rows.

        Args:
            keys: The key of each.
            rows: Its number in the file.
        """
        import numpy as np

        part = (keys >> np.uint64(58)).astype(np.uint8)
        order = np.argsort(part, kind="stable")
        pairs = np.stack([keys[order].view(np.int64), rows[order]], axis=1)
        ends = np.cumsum(np.bincount(part, minlength=_PARTS))
        for number, (start, end) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
            if end > start:
                self._parts[number].write(pairs[start:end].tobytes())

    def __enter__(self) -> Repeats:
        """Keep them until the end of the block."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Forget them."""
        for part in self._parts:
            part.close()

    def find(self) -> npt.NDArray[np.int64]:
        """The numbers of all rows but the last of each key, in order."""
        import numpy as np

        found = [np.zeros(0, dtype=np.int64)]
        for part in self._parts:
            part.seek(0)
            pairs = np.frombuffer(part.read(), dtype=np.int64).reshape(-1, 2)
            order = np.argsort(pairs[:, 0], kind="stable")  # rows of one key stay in the file's order
            keys = pairs[order, 0]
            found.append(pairs[order[:-1][keys[1:] == keys[:-1]], 1])
        return np.sort(np.concatenate(found))
