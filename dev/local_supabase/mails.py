"""The mails that the local Supabase would have sent."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Mail:
    """A mail, and what a person would take from it."""

    to: str
    subject: str
    text: str
    html: str
    sent_at: str

    @property
    def link(self) -> str:
        """The link that verifies: `/auth/v1/verify?token=...&type=recovery&redirect_to=...`."""
        return _found(r"https?://\S+/auth/v1/verify\S+", self.text)

    @property
    def code(self) -> str:
        """The six digits: `token` of `POST /auth/v1/verify`, next to the e-mail."""
        return _found(r"\b\d{6}\b", self.text)

    @property
    def token_hash(self) -> str:
        """The link's token: `token_hash` of `POST /auth/v1/verify`, without an e-mail."""
        return parse_qs(urlsplit(self.link).query)["token"][0]


def read_mails(folder: Path) -> list[Mail]:
    """All mails in a folder, oldest first."""
    return [
        Mail(**json.loads(file.read_text(encoding="utf-8")))
        for file in sorted(folder.glob("*.json"))
        if not file.name.startswith(".")
    ]


def _found(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    if found is None:
        raise LookupError(f"the mail has nothing like {pattern}: {text}")
    return found[0]
