"""Addresses as they may be shown."""

from __future__ import annotations

from urllib.parse import urlsplit


def public_address(url: str) -> str:
    """An address without a user, password or query that it may hold."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{host}{port}{parts.path.rstrip('/')}"
