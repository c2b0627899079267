"""A filter of runs, read from a URL that anyone may have edited, and written back to one."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal, get_args
from uuid import UUID

from secondlook.domain.runs import RunStatus, Verdict
from secondlook.domain.untrusted_text import clean
from secondlook.errors import ERRORS

Review = Literal["pass", "fail", "none"]

VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
REVIEWS: tuple[Review, ...] = get_args(Review)
CODES = tuple(sorted(ERRORS))

_LONGEST_NAME = 200
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True)
class RunFilter:
    """The conditions on a run; None or False is no condition. The names are those in the URL.

    Attributes:
        verdict: Whether its answer was accepted, refused by a rule, or neither.
        code: The code of its error.
        model: The model that was asked, whichever answered.
        since: The first day of its creation, in UTC.
        until: The last day of its creation, in UTC.
        failures: It failed, or its outcome is unknown.
        differs: Its answer was read, and refused by a rule of its task.
        review: A reviewer passed it, a reviewer failed it, or nobody reviewed it.
    """

    status: RunStatus | None = None
    verdict: Verdict | None = None
    code: str | None = None
    model: str | None = None
    agent: str | None = None
    task: str | None = None
    prompt: str | None = None
    user: str | None = None
    source: str | None = None
    since: date | None = None
    until: date | None = None
    failures: bool = False
    differs: bool = False
    review: Review | None = None

    def params(self) -> dict[str, str]:
        """As a URL's query has it; what does not matter is left out."""
        written: dict[str, str] = {}
        for name, value in vars(self).items():
            if isinstance(value, date):
                written[name] = value.isoformat()
            elif value is not None and value is not False:
                written[name] = "1" if value is True else str(value)
        return written

    @property
    def from_second(self) -> float | None:
        """The first second that it may be created in, since 1970."""
        return None if self.since is None else _midnight(self.since)

    @property
    def to_second(self) -> float | None:
        """The first second that it may no longer be created in."""
        return None if self.until is None else _midnight(self.until) + timedelta(days=1).total_seconds()


def _midnight(day: date) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()


def _one_of(values: tuple[str, ...]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in values:
            raise ValueError(f"one of {', '.join(values)}")
        return text

    return read


def _name(text: str) -> str:
    if len(text) > _LONGEST_NAME or clean(text) != text:
        raise ValueError(f"a name of at most {_LONGEST_NAME} characters")
    return text


def _uuid(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise ValueError("a UUID") from None


def _day(text: str) -> date:
    try:
        if _DAY.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise ValueError("a day as YYYY-MM-DD") from None


def _flag(text: str) -> bool:
    if text not in {"0", "1"}:
        raise ValueError("1 or 0")
    return text == "1"


_READERS: Mapping[str, Callable[[str], object]] = {
    "status": lambda text: RunStatus(_one_of(tuple(RunStatus))(text)),
    "verdict": _one_of(VERDICTS),
    "code": _one_of(CODES),
    "model": _name,
    "agent": _name,
    "task": _name,
    "prompt": _name,
    "user": _uuid,
    "source": _uuid,
    "since": _day,
    "until": _day,
    "failures": _flag,
    "differs": _flag,
    "review": _one_of(REVIEWS),
}


def read_filter(params: Mapping[str, str]) -> tuple[RunFilter, list[str]]:
    """The filter that a URL's query asks for.

    Returns:
        The filter, and what is wrong with each value that is left out of it.
    """
    read: dict[str, object] = {}
    wrong: list[str] = []
    for name, reader in _READERS.items():
        text = params.get(name, "")
        try:
            read |= {name: reader(text)} if text else {}
        except ValueError as error:
            wrong.append(f"{name} must be {error}. It is ignored.")
    found = RunFilter(**read)  # pyright: ignore[reportArgumentType] -- each reader returns its field's type
    if found.since is not None and found.until is not None and found.since > found.until:
        wrong.append("since is after until. No run matches.")
    return found, wrong
