"""What all domain types share: they are frozen and strict.

Counts are integers ≥ 0, money is in US dollars, durations are in milliseconds, and points in time are
UTC, written `YYYY-MM-DDTHH:MM:SSZ`.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=0)]


class Frozen(BaseModel):
    """Base of every domain type: immutable, no unknown fields, no coercion."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
