"""One HTTP request to the local server, with nothing but the standard library."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer: where a mail's link leads is what tests look at."""

    def redirect_request(self, *args: object, **named: object) -> None:  # noqa: ARG002 -- the signature is urllib's
        return None


# No proxy stands between this machine and itself.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect)


@dataclass(frozen=True)
class Answer:
    """What came back, whatever the status."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def body(self) -> Any:  # noqa: ANN401 -- whatever JSON holds
        """The JSON; None where there is no text."""
        return json.loads(self.text) if self.text else None

    def expect(self, *statuses: int) -> Any:  # noqa: ANN401 -- whatever JSON holds
        """The JSON of an answer that has one of these statuses."""
        if self.status not in statuses:
            raise RuntimeError(f"answered {self.status}, not {statuses}: {self.text[:500]}")
        return self.body


def ask(method: str, url: str, body: object, headers: Mapping[str, str]) -> Answer:
    """Send a request; a body is sent as JSON.

    Raises:
        OSError: Nobody answers.
    """
    data = None if body is None else json.dumps(body).encode()
    sent = {"Content-Type": "application/json", "User-Agent": "secondlook-dev", **headers}
    request = urllib.request.Request(url, data, sent, method=method)  # noqa: S310 -- our own address
    try:
        with _opener.open(request, timeout=30) as answer:
            return Answer(answer.status, dict(answer.headers.items()), answer.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, dict(error.headers.items()), error.read().decode())
