"""Estimates of many sources, source by source, in one further reading of the file."""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Callable, Iterator, Mapping
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    Ints = npt.NDArray[np.int64]
    Stream = Callable[[], Iterator[tuple[Ints, pd.DataFrame]]]

_ROWS = 400_000  # of a part, which is sorted in memory


class Partitions:
    """Estimates in parts on disk, in files without a name, each part sorted when it is read.

    Args:
        stream: Returns all estimates with the group of each, from the start.
        places: The place of each group; places follow each other.
        rows: How many estimates there are.
    """

    def __init__(self, stream: Stream, places: Mapping[int, int], rows: int) -> None:
        self._stream = stream
        self._places = places
        self._per_part = max(1, len(places) // (rows // _ROWS + 1) + 1)
        self._files: list[IO[bytes]] | None = None
        self._loaded: tuple[int, Ints, pd.DataFrame] | None = None

    def reader(self, place: int) -> Callable[[], Iterator[pd.DataFrame]]:
        """What returns the estimates of the group at a place.

        Args:
            place: The place.
        """

        def read() -> Iterator[pd.DataFrame]:
            import numpy as np

            found, frame = self._part(place // self._per_part)
            first, last = np.searchsorted(found, [place, place + 1])
            yield frame.iloc[int(first) : int(last)].reset_index(drop=True)

        return read

    def _part(self, number: int) -> tuple[Ints, pd.DataFrame]:
        import numpy as np
        import pandas as pd

        if self._files is None:
            self._files = self._write()
        if self._loaded is None or self._loaded[0] != number:
            self._loaded = None
            file = self._files[number]
            file.seek(0)
            pieces: list[tuple[Ints, pd.DataFrame]] = []
            size = file.seek(0, 2)
            file.seek(0)
            while file.tell() < size:
                pieces.append(pickle.load(file))  # noqa: S301 -- written by this process, in a file without a name
            places = np.concatenate([piece[0] for piece in pieces])
            order = np.argsort(places, kind="stable")
            frame = pd.concat([piece[1] for piece in pieces], ignore_index=True).iloc[order]
            self._loaded = (number, places[order], frame)
        return self._loaded[1], self._loaded[2]

    def _write(self) -> list[IO[bytes]]:
        import numpy as np

        parts = (len(self._places) - 1) // self._per_part + 1
        files: list[IO[bytes]] = [tempfile.TemporaryFile() for _ in range(parts)]  # noqa: SIM115 -- closed with the process
        place_of = np.full(max(self._places) + 1, -1, dtype=np.int64)
        for group, place in self._places.items():
            place_of[group] = place
        for groups, frame in self._stream():
            places = place_of[groups]
            part_of = places // self._per_part
            for part in np.unique(part_of):
                own = part_of == part
                pickle.dump((places[own], frame[own]), files[int(part)], protocol=5)
        return files
