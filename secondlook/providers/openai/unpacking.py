"""Unpacks compressed bodies piece by piece, and decodes bodies by what they hold, not by their headers."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from itertools import chain

import httpx2

_PIECE_BYTES = 64 * 1024
_BEGINNING_BYTES = 2
"""As many bytes tell whether a body is compressed."""


class Unpacked(httpx2.SyncByteStream):
    """A body without its compression; a body that is not compressed, whatever its header says, as it came.

    Args:
        packed: The body as it arrives.
    """

    def __init__(self, packed: httpx2.SyncByteStream) -> None:
        self._packed = packed

    def __iter__(self) -> Iterator[bytes]:
        """The pieces, none of them large: a compression bomb is cut by who reads them.

        Raises:
            httpx2.DecodingError: The compressed body is damaged or cut off.
        """
        pieces = iter(self._packed)
        beginning = b""
        for piece in pieces:
            beginning += piece
            if len(beginning) >= _BEGINNING_BYTES:
                break
        if not _is_compressed(beginning):
            yield beginning
            yield from pieces
            return
        decoder = zlib.decompressobj(zlib.MAX_WBITS | 32)  # gzip or zlib, by their first bytes
        try:
            for piece in chain([beginning], pieces):
                rest = piece
                while rest and not decoder.eof:
                    yield decoder.decompress(rest, _PIECE_BYTES)
                    rest = decoder.unconsumed_tail
        except zlib.error as error:
            raise httpx2.DecodingError("the compressed body is damaged") from error
        if not decoder.eof:
            raise httpx2.DecodingError("the compressed body is cut off")

    def close(self) -> None:
        """Close the connection's part."""
        self._packed.close()


def _is_compressed(beginning: bytes) -> bool:
    """True for gzip's and zlib's first bytes, with which no text of JSON begins."""
    if len(beginning) < _BEGINNING_BYTES:
        return False
    first, second = beginning[0], beginning[1]
    return (first, second) == (0x1F, 0x8B) or (first == 0x78 and (first * 256 + second) % 31 == 0)


def read_text(body: bytes) -> str:
    """A body as text: UTF-8, or UTF-16 or UTF-32 where it is that; what cannot be decoded is replaced.

    A byte order mark of UTF-8 stays, as the body came.
    """
    encoding = json.detect_encoding(body)
    if encoding not in {"utf-8", "utf-8-sig"}:
        try:
            text = body.decode(encoding)
        except UnicodeDecodeError:
            text = ""
        if text:
            return text
    return body.decode("utf-8", errors="replace")
