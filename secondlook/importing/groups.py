"""Estimates of many sources, source by source, in one further reading of the file."""

from __future__ import annotations

import pickle
import tempfile
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO, TYPE_CHECKING, overload

from secondlook.importing.estimates import ImportedSource

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
            if last > first:
                yield frame.iloc[int(first) : int(last)].reset_index(drop=True)

        return read

    def _part(self, number: int) -> tuple[Ints, pd.DataFrame]:
        import numpy as np
        import pandas as pd

        if self._files is None:
            self._files = self._write()
            weakref.finalize(self, _close, self._files)
        if self._loaded is None or self._loaded[0] != number:
            self._loaded = None
            file = self._files[number]
            file.seek(0)
            pieces: list[tuple[Ints, pd.DataFrame]] = []
            size = file.seek(0, 2)
            file.seek(0)
            while file.tell() < size:
                pieces.append(pickle.load(file))  # noqa: S301 -- written by this process, in a file without a name
            places = np.concatenate([np.zeros(0, dtype=np.int64), *(piece[0] for piece in pieces)])
            order = np.argsort(places, kind="stable")
            frames = [piece[1] for piece in pieces] or [pd.DataFrame()]
            frame = pd.concat(frames, ignore_index=True).iloc[order]
            self._loaded = (number, places[order], frame)
        return self._loaded[1], self._loaded[2]

    def _write(self) -> list[IO[bytes]]:
        import numpy as np

        parts = (len(self._places) - 1) // self._per_part + 1
        files: list[IO[bytes]] = [tempfile.TemporaryFile() for _ in range(parts)]  # noqa: SIM115 -- closed with the last of its readers
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


def _close(files: list[IO[bytes]]) -> None:
    for file in files:
        file.close()


class Sources(Sequence[ImportedSource]):
    """Sources, each made when it is looked at: 100,000 at once would fill the memory.

    Args:
        count: How many there are.
        make: Makes the one at a place.
    """

    def __init__(self, count: int, make: Callable[[int], ImportedSource]) -> None:
        self._places = range(count)
        self._make = make

    def __len__(self) -> int:
        """How many there are."""
        return len(self._places)

    @overload
    def __getitem__(self, place: int) -> ImportedSource: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[ImportedSource]: ...
    def __getitem__(self, place: int | slice) -> ImportedSource | Sequence[ImportedSource]:
        """The one at a place, or those of a slice."""
        found = self._places[place]
        return self._make(found) if isinstance(found, int) else [self._make(each) for each in found]
