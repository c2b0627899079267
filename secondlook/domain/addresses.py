"""Addresses made safe to show."""

from __future__ import annotations

from urllib.parse import urlsplit


def public_address(url: str) -> str:
    """An address without its user, password and query."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{host}{port}{parts.path.rstrip('/')}"
