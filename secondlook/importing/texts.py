"""A column of texts on Arrow: what is done to all of them at once."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    Ints = npt.NDArray[np.int64]
    Bools = npt.NDArray[np.bool_]


def _arrow() -> Any:  # noqa: ANN401 -- pyarrow has no types
    return import_module("pyarrow")


def _compute() -> Any:  # noqa: ANN401 -- pyarrow has no types
    return import_module("pyarrow.compute")


class Texts:
    """Texts of a column.

    Args:
        array: An Arrow array of large strings, none of them missing.
    """

    def __init__(self, array: Any) -> None:  # noqa: ANN401 -- pyarrow has no types
        self._array = array

    @classmethod
    def trimmed(cls, column: pd.Series[str]) -> Texts:
        """A frame's column, without white space around its texts.

        Args:
            column: The column.
        """
        pa, pc = _arrow(), _compute()
        array = pa.array(column, pa.large_string(), from_pandas=True)
        if isinstance(array, pa.ChunkedArray):
            array = array.combine_chunks()
        return cls(pc.fill_null(pc.utf8_trim_whitespace(array), ""))

    @classmethod
    def of(cls, texts: Sequence[str]) -> Texts:
        """These texts."""
        pa = _arrow()
        return cls(pa.array(texts, pa.large_string()))

    def __len__(self) -> int:
        """How many there are."""
        return len(self._array)

    def __getitem__(self, index: int) -> str:
        """One of them."""
        return str(self._array[index].as_py())

    def to_list(self) -> list[str]:
        """All of them."""
        found: list[str] = self._array.to_pylist()
        return found

    def where(self, mask: Bools) -> Texts:
        """Those where the mask holds."""
        return Texts(self._array.filter(_arrow().array(mask)))

    def is_in(self, texts: Sequence[str]) -> Bools:
        """Whether each is one of these."""
        pa = _arrow()
        found = _compute().is_in(self._array, value_set=pa.array(texts, pa.large_string()))
        answer: Bools = found.to_numpy(zero_copy_only=False)
        return answer

    def all_match(self, pattern: str) -> bool:
        """Whether each matches an expression (RE2); False where there is none."""
        return len(self) > 0 and bool(self.match(pattern).all())

    def match(self, pattern: str) -> Bools:
        """Which of them match an expression (RE2) somewhere."""
        found: Bools = _compute().match_substring_regex(self._array, pattern).to_numpy(zero_copy_only=False)
        return found

    def any_contains(self, part: str) -> bool:
        """Whether one contains a text."""
        pc = _compute()
        return pc.any(pc.match_substring(self._array, part)).as_py() is True

    def floats(self) -> npt.NDArray[np.float64]:
        """Each as a number; they all are."""
        found: npt.NDArray[np.float64] = self._array.cast(_arrow().float64()).to_numpy(zero_copy_only=False)
        return found

    def coded(self) -> tuple[Ints, list[str]]:
        """A code for each, and the distinct texts by code."""
        coded = self._array.dictionary_encode()
        codes: Ints = coded.indices.to_numpy(zero_copy_only=False).astype("int64")
        texts: list[str] = coded.dictionary.to_pylist()
        return codes, texts

    def iso_micros(self, *, zoned: bool) -> Ints | None:
        """Each as an ISO time in microseconds of UTC since 1970; None where one is written in another way.

        Args:
            zoned: Each has a zone; else none has one, and they are UTC.
        """
        pa, pc = _arrow(), _compute()
        if len(self) == 0 or pc.any(pc.less(pc.binary_length(self._array), 10)).as_py():
            return None
        kind = pa.timestamp("us", "UTC") if zoned else pa.timestamp("us")
        try:
            micros: Ints = self._array.cast(kind).cast(pa.int64()).to_numpy(zero_copy_only=False)
        except pa.ArrowInvalid:
            return None
        return micros

    def series(self) -> pd.Series[str]:
        """A frame's column of them."""
        import pandas as pd

        return pd.Series(self._array, dtype="str")

    def hashes(self) -> npt.NDArray[np.uint64]:
        """64 bits of each; equal texts have equal ones."""
        import numpy as np

        _, offsets_buffer, data = self._array.buffers()
        size, first = len(self), self._array.offset
        if not size:
            return np.zeros(0, dtype=np.uint64)
        offsets = np.frombuffer(offsets_buffer, dtype=np.int64)[first : first + size + 1]
        contents = np.frombuffer(b"" if data is None else data, dtype=np.uint8)
        # Eight bytes at each place, so that a word is taken at once; the end is filled up.
        padded = np.concatenate([contents[: offsets[-1]], np.zeros(8, dtype=np.uint8)])
        words = np.lib.stride_tricks.sliding_window_view(padded, 8)
        starts, lengths = offsets[:-1], np.diff(offsets)
        found = _mixed(lengths.astype(np.uint64))
        rows = np.flatnonzero(lengths > 0)
        for place in range(0, int(lengths.max()), 8):
            rows = rows[lengths[rows] > place]
            word = words[starts[rows] + place].view(np.uint64)[:, 0]
            bits = np.minimum(lengths[rows] - place, 8).astype(np.uint64) * np.uint64(8)
            word &= np.uint64(0xFFFFFFFFFFFFFFFF) >> (np.uint64(64) - bits)
            found[rows] = _mixed(found[rows] ^ word)
        return found


def _mixed(words: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Each word's bits spread over all (splitmix64's finalizer): a bijection."""
    import numpy as np

    words = words + np.uint64(0x9E3779B97F4A7C15)
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
