"""An HTTP transport that unpacks bodies, and reads only the beginning of an error's body.

Without it, the SDK reads an error's whole body before it reports the status: an endless body, a compression
bomb or an unknown charset would hide that the request was refused. And an answer whose header names a wrong
compression would be lost, though all of it arrived.
"""

from __future__ import annotations

from contextlib import suppress

import httpx2

from secondlook.providers.openai.unpacking import Unpacked, read_text

MAX_ERROR_BYTES = 64 * 1024

_KEPT = {"retry-after", "retry-after-ms", "date", "openai-processing-ms"}
"""Headers of an error that are kept, besides those that begin with x-."""

_OF_THE_PACKED = {"content-encoding", "content-length"}


class BriefErrors(httpx2.BaseTransport):
    """Passes everything on, but unpacks bodies, and cuts the body of an error and decodes it.

    Args:
        inner: The transport that sends.
    """

    def __init__(self, inner: httpx2.BaseTransport) -> None:
        self._inner = inner

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request."""
        response = self._inner.handle_request(request)
        if response.is_success:
            return _unpacked(response) if "content-encoding" in response.headers else response
        kept = {
            name: value for name, value in response.headers.items() if name.startswith("x-") or name in _KEPT
        }
        body = _beginning(response)
        with suppress(httpx2.TransportError):
            response.close()
        return httpx2.Response(
            response.status_code,
            headers={**kept, "content-type": "application/json"},
            content=read_text(body).encode("utf-8", errors="replace"),
        )

    def close(self) -> None:
        """Close the connections."""
        self._inner.close()


def _unpacked(response: httpx2.Response) -> httpx2.Response:
    headers = [
        (name, value) for name, value in response.headers.raw if name.decode().lower() not in _OF_THE_PACKED
    ]
    return httpx2.Response(
        response.status_code,
        headers=headers,
        stream=Unpacked(_stream(response)),
        extensions=response.extensions,
    )


def _stream(response: httpx2.Response) -> httpx2.SyncByteStream:
    assert isinstance(response.stream, httpx2.SyncByteStream)  # noqa: S101 -- what a synchronous transport gives
    return response.stream


def _beginning(response: httpx2.Response) -> bytes:
    body = b""
    # A body that breaks off or is damaged does not change what the status says.
    with suppress(httpx2.TransportError, httpx2.DecodingError):
        for chunk in Unpacked(_stream(response)):
            body += chunk
            if len(body) > MAX_ERROR_BYTES:
                break
    return body[:MAX_ERROR_BYTES]
