"""When a request is sent again: only what was certainly not processed, later each time, and not for ever."""

from __future__ import annotations

import pytest

from secondlook.errors import Outcome, ProviderError
from secondlook.pipeline.retries import Retries

TWICE = Retries(most=2, seconds=300)


def refused(*, outcome: Outcome = "not_processed", retry_after: float | None = None) -> ProviderError:
    """A request that brought no answer."""
    return ProviderError("No", outcome=outcome, retry_after=retry_after)


def waits(retries: Retries, error: ProviderError, *, sent: int = 1, elapsed: float = 0) -> list[float]:
    """Many draws of the wait, shortest first; none where it is not sent again."""
    drawn = [retries.wait(error, sent=sent, elapsed=elapsed) for _ in range(200)]
    return sorted(seconds for seconds in drawn if seconds is not None)


@pytest.mark.parametrize("outcome", ["refused", "unknown"])
def test_what_may_have_been_processed_is_never_sent_again(outcome: Outcome) -> None:
    """Not even where the provider says when to come back."""
    assert waits(TWICE, refused(outcome=outcome, retry_after=0.1)) == []


@pytest.mark.parametrize(
    ("most", "sent", "again"),
    [
        pytest.param(0, 1, False, id="never"),
        pytest.param(1, 1, True, id="once"),
        pytest.param(1, 2, False, id="once, and it was"),
        pytest.param(2, 2, True, id="the second time"),
        pytest.param(2, 3, False, id="all used"),
        pytest.param(2, 9, False, id="more than allowed"),
    ],
)
def test_a_limit_of_attempts(most: int, sent: int, *, again: bool) -> None:
    """So many further requests after the first."""
    assert bool(waits(Retries(most, 1e9), refused(), sent=sent)) is again


@pytest.mark.parametrize(
    ("sent", "least"),
    [(1, 1.0), (2, 2.0), (3, 4.0), (6, 32.0), (7, 60.0), (11, 60.0)],
)
def test_each_wait_is_twice_the_one_before(sent: int, least: float) -> None:
    """Up to a minute, with as much as half of it more, so that many do not come back at once."""
    drawn = waits(Retries(99, 1e9), refused(), sent=sent)
    assert least <= drawn[0] < drawn[-1] <= 1.5 * least
    assert len(set(drawn)) > 100


def test_retry_after_counts() -> None:
    """Never before its Retry-After, and not before the own wait either."""
    assert waits(TWICE, refused(retry_after=20))[0] >= 20
    assert waits(TWICE, refused(retry_after=0.001))[0] >= 1


@pytest.mark.parametrize(
    ("elapsed", "retry_after", "again"),
    [
        pytest.param(0, None, True, id="at once"),
        pytest.param(298, None, True, id="just in time"),
        pytest.param(299.5, None, False, id="too late by the wait"),
        pytest.param(301, None, False, id="too late"),
        pytest.param(0, 301, False, id="the provider wants more time than there is"),
    ],
)
def test_a_limit_of_time(elapsed: float, retry_after: float | None, *, again: bool) -> None:
    """Nothing goes out later than that after the begin of the run."""
    assert bool(waits(TWICE, refused(retry_after=retry_after), elapsed=elapsed)) is again
