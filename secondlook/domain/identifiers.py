"""Ids as the tables write them: a malformed id is answered like an unknown one."""

from __future__ import annotations

from uuid import UUID

from secondlook.errors import SourceNotFound

_HINTS = {
    "run_id": "Check the run's id; `secondlook runs` lists a user's runs.",
    "snapshot_id": "Check the id; a run that is done has its snapshot's id.",
}


def canonical(identifier: str, what: str = "source_id") -> str:
    """A UUID in the tables' own writing.

    Args:
        identifier: What somebody gave.
        what: The name it goes by in the error.

    Raises:
        SourceNotFound: It is not a UUID, so nothing can have it.
    """
    try:
        return str(UUID(identifier))
    except (ValueError, AttributeError, TypeError):
        raise not_found(what) from None


def not_found(what: str = "source_id") -> SourceNotFound:
    """The one error of an id that is unknown, malformed or another user's.

    Args:
        what: The name the id goes by.
    """
    return SourceNotFound(f"Invalid {what}: not found", hint=_HINTS.get(what))


def is_uuid(identifier: str) -> bool:
    """True for a UUID in the tables' own writing: a database would refuse another one as malformed."""
    try:
        return str(UUID(identifier)) == identifier
    except ValueError:
        return False
