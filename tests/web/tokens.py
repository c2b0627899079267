"""What an access token says of itself."""

from __future__ import annotations

import base64
import json


def expiry(token: str) -> float:
    """When it expires, in seconds since 1970."""
    payload = token.split(".")[1]
    return float(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["exp"])
