"""Serves the pages' files compressed and with cache headers; Streamlit sends them as they are on disk.

Pure ASGI, behind the gate. A file is read and compressed when it is first asked for, in a thread, and stays
in memory: what a first visit takes is some two megabytes. Files are looked up in a list that is made at the
start, so that no path leads anywhere else; whatever is not in it goes on to the app.
"""

from __future__ import annotations

import gzip
import hashlib
import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

_TYPES: Mapping[str, str] = {
    ".css": "text/css; charset=utf-8",
    ".gif": "image/gif",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
_COMPRESSED = {".gif", ".png", ".woff2"}
"""Already, by their own format."""

_SMALLEST = 500  # bytes that are worth compressing: less fits into one packet with its headers
_HASHED = re.compile(r"\.[A-Za-z0-9_-]{8}\.[a-z0-9]+$")
"""The name of a file that holds a hash of its content: another content has another name."""

_FOREVER = "public, max-age=31536000, immutable"
_ASK = "no-cache"  # kept, and asked for each time whether it is still the one


@dataclass(frozen=True)
class _Variant:
    """A file in one encoding, with its headers."""

    body: bytes
    tag: str
    headers: tuple[tuple[bytes, bytes], ...]


class _File:
    """A file, read when it is first wanted."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self.variants: dict[str, _Variant] = {}

    def read(self) -> dict[str, _Variant]:
        """Its encodings by their names; of many who ask at once one reads."""
        with self._lock:
            if not self.variants:
                self.variants = self._read()
            return self.variants

    def _read(self) -> dict[str, _Variant]:
        content = self._path.read_bytes()
        variants = {"identity": self._variant(content, content)}
        if self._path.suffix not in _COMPRESSED and len(content) >= _SMALLEST:
            variants["gzip"] = self._variant(content, gzip.compress(content, 9, mtime=0), "gzip")
        return variants

    def _variant(self, content: bytes, body: bytes, encoding: str = "") -> _Variant:
        tag = f'"{hashlib.sha256(content).hexdigest()[:20]}{encoding and f"-{encoding}"}"'
        headers = {
            "content-type": _TYPES[self._path.suffix],
            "content-length": str(len(body)),
            "cache-control": _FOREVER if _HASHED.search(self._path.name) else _ASK,
            "etag": tag,
            "vary": "Accept-Encoding",
        }
        if encoding:
            headers["content-encoding"] = encoding
        return _Variant(body, tag, tuple((name.encode(), value.encode()) for name, value in headers.items()))


class StaticFiles:
    """Sends the files of a folder in front of an app that has them as well.

    Args:
        app: What answers everything else.
        folder: The folder: `static/` in it, and the page `index.html`.
        pages: The paths, without slashes, at which the page is; the root is one in any case.
    """

    def __init__(self, app: ASGIApp, folder: Path, pages: Iterable[str] = ()) -> None:
        self._app = app
        self._files = {
            f"/{path.relative_to(folder).as_posix()}": _File(path)
            for path in (folder / "static").rglob("*")
            if path.is_file() and path.suffix in _TYPES
        }
        page = _File(folder / "index.html")
        self._files |= {f"/{name}": page for name in ("", *pages)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send a file, or let the app answer."""
        file = self._files.get(scope["path"]) if scope["type"] == "http" else None
        if file is None or scope["method"] not in {"GET", "HEAD"}:
            await self._app(scope, receive, send)
            return
        variants = file.variants or await run_in_threadpool(file.read)
        headers = Headers(scope=scope)
        takes_gzip = "gzip" in variants and accepts(headers.getlist("accept-encoding"), "gzip")
        variant = variants["gzip" if takes_gzip else "identity"]
        if _is_known(headers.getlist("if-none-match"), variant.tag):
            kept = [(name, value) for name, value in variant.headers if not name.startswith(b"content-")]
            await send({"type": "http.response.start", "status": 304, "headers": kept})
            await send({"type": "http.response.body"})
            return
        await send({"type": "http.response.start", "status": 200, "headers": list(variant.headers)})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else variant.body})


def accepts(header: Iterable[str], encoding: str) -> bool:
    """Whether who asks takes an encoding (RFC 9110, 12.5.3): it is named, or `*` is, with a weight above 0.

    Args:
        header: The values of Accept-Encoding.
        encoding: In small letters.
    """
    weights: dict[str, float] = {}
    for part in ",".join(header).split(","):
        name, *parameters = (each.strip().lower() for each in part.split(";"))
        weights[name] = _weight(parameters)
    return weights.get(encoding, weights.get("*", 0.0)) > 0


def _weight(parameters: Iterable[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0  # what is meant is not known: everybody takes what is not compressed
    return 1.0


def _is_known(header: Iterable[str], tag: str) -> bool:
    """Whether a browser has this already (RFC 9110, 13.1.2); a proxy may have made the tag a weak one."""
    known = {each.strip().removeprefix("W/") for each in ",".join(header).split(",")}
    return tag in known or "*" in known
