"""An HTTP transport that reads only the beginning of an error's body.

Without it, the SDK reads an error's whole body before it reports the status: an endless body, a compression
bomb or an unknown charset would hide that the request was refused.
"""

from __future__ import annotations

from contextlib import suppress

import httpx2

MAX_ERROR_BYTES = 64 * 1024


class BriefErrors(httpx2.BaseTransport):
    """Passes everything on, but cuts the body of an error and decodes it as UTF-8.

    Args:
        inner: The transport that sends.
    """

    def __init__(self, inner: httpx2.BaseTransport) -> None:
        self._inner = inner

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request."""
        response = self._inner.handle_request(request)
        if response.is_success:
            return response
        kept = {
            name: value
            for name, value in response.headers.items()
            if name.startswith("x-") or name in {"retry-after", "openai-processing-ms"}
        }
        encoded = "content-encoding" in response.headers
        body = b"" if encoded else _beginning(response)
        with suppress(httpx2.TransportError):
            response.close()
        text = body.decode("utf-8", errors="replace").encode()
        return httpx2.Response(
            response.status_code, headers={**kept, "content-type": "application/json"}, content=text
        )

    def close(self) -> None:
        """Close the connections."""
        self._inner.close()


def _stream(response: httpx2.Response) -> httpx2.SyncByteStream:
    assert isinstance(response.stream, httpx2.SyncByteStream)  # noqa: S101 -- what a synchronous transport gives
    return response.stream


def _beginning(response: httpx2.Response) -> bytes:
    body = b""
    with suppress(httpx2.TransportError):  # a body that breaks off does not change what the status says
        for chunk in _stream(response):
            body += chunk
            if len(body) > MAX_ERROR_BYTES:
                break
    return body[:MAX_ERROR_BYTES]
