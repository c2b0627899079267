"""When a request that was certainly not processed is sent again (docs/contract.md: At most one answer)."""

from __future__ import annotations

import random
from dataclasses import dataclass

from secondlook.errors import ProviderError

_FIRST_SECONDS = 1.0
_LONGEST_SECONDS = 60.0


@dataclass(frozen=True)
class Retries:
    """How often, and for how long, a request is sent again.

    Attributes:
        most: Further requests after the first; 0 never sends again automatically.
        seconds: How long after the start of a run a request may still be sent again.
    """

    most: int
    seconds: float

    def wait(self, error: ProviderError, *, sent: int, elapsed: float) -> float | None:
        """Seconds to wait before sending again; None where it is not sent again.

        Exponential, with jitter over its upper half so that many do not come back at once; never before
        the provider's own Retry-After.

        Args:
            error: Why there was no answer.
            sent: Requests sent so far.
            elapsed: Seconds since the start of the run.
        """
        if error.outcome != "not_processed" or sent > self.most:
            return None
        backoff = min(_FIRST_SECONDS * 2 ** (sent - 1), _LONGEST_SECONDS)
        seconds = max(backoff, error.retry_after or 0.0) * random.uniform(1.0, 1.5)  # noqa: S311 -- no secret
        return seconds if elapsed + seconds <= self.seconds else None
