"""The provider's headers: limits that it announces, and when to come back. Nonsense counts for nothing."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondlook.domain.answers import RateLimits
from secondlook.providers.openai.limits import MAX_SECONDS, duration, read_limits, read_retry_after
from tests.examples import some


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *(("1s", 1), ("6m0s", 360), ("20ms", 0.02), ("1m30.5s", 90.5), ("1h2m3s", 3723), ("1h", 3600)),
        *(("1d", MAX_SECONDS), ("999999d", MAX_SECONDS), ("7.66s", 7.66), ("2", 2), ("0.25", 0.25)),
        *(("0s", 0), ("", None), (None, None), ("soon", None), ("-1s", None), ("1s1m", None)),
        *(("1e9", None), ("nan", None), ("inf", None), ("1" * 5000, None)),
    ],
)
def test_durations(text: str | None, seconds: float | None) -> None:
    """As OpenAI writes them, or as plain seconds; at the most a day."""
    assert duration(text) == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("headers", "limits"),
    [
        pytest.param({}, None, id="none"),
        pytest.param({"x-ratelimit-limit-requests": "500"}, None, id="nothing of what is left"),
        pytest.param(
            {
                "x-ratelimit-remaining-requests": "499",
                "x-ratelimit-reset-requests": "120ms",
                "x-ratelimit-remaining-tokens": "29000",
                "x-ratelimit-reset-tokens": "6m0s",
            },
            RateLimits(requests=499, requests_reset=0.12, tokens=29000, tokens_reset=360),
            id="OpenAI's",
        ),
        pytest.param(
            {"x-ratelimit-remaining-requests": "0"},
            RateLimits(requests=0, requests_reset=0, tokens=None, tokens_reset=0),
            id="without a reset",
        ),
        pytest.param(
            {"x-ratelimit-remaining-requests": "-1", "x-ratelimit-remaining-tokens": "x"}, None, id="nonsense"
        ),
        pytest.param({"x-ratelimit-remaining-requests": "9" * 16}, None, id="too large for any column"),
    ],
)
def test_announced_limits(headers: dict[str, str], limits: RateLimits | None) -> None:
    """What is left, and when it is whole again."""
    assert read_limits(headers) == limits


def at(seconds: float) -> str:
    """A date as HTTP writes it."""
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        pytest.param({}, None, id="none"),
        pytest.param({"retry-after": "20"}, 20, id="seconds"),
        pytest.param({"retry-after": "0"}, 0, id="at once"),
        pytest.param({"retry-after": "1.5"}, 1.5, id="a fraction"),
        pytest.param({"retry-after-ms": "250", "retry-after": "1"}, 0.25, id="milliseconds first"),
        pytest.param({"retry-after-ms": "x", "retry-after": "1"}, 1, id="milliseconds that are none"),
        pytest.param({"retry-after": "999999999"}, MAX_SECONDS, id="years"),
        pytest.param({"retry-after": "-5"}, None, id="negative"),
        pytest.param({"retry-after": "later"}, None, id="a word"),
        pytest.param({"retry-after": "Mon, 99 Foo 2026 00:00:00 GMT"}, None, id="no date"),
        pytest.param({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0, id="a date that is gone"),
        pytest.param({"retry-after": "Wed, 21 Oct 2015 07:28:00"}, 0, id="a date without a zone"),
        pytest.param({"retry-after": "Wed, 21 Oct 9999 07:28:00 GMT"}, MAX_SECONDS, id="a date far off"),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    """In any of its forms, at the most a day."""
    assert read_retry_after(headers) == seconds


def test_retry_after_a_date() -> None:
    """As long as it is until then."""
    assert 25 < some(read_retry_after({"retry-after": at(30)})) <= 30


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_text(first: str, second: str) -> None:
    """No header breaks a call: what cannot be read is not there, what can be read is a sane time."""
    for seconds in (
        duration(first),
        read_retry_after({"retry-after": first}),
        read_retry_after({"retry-after-ms": first}),
    ):
        assert seconds is None or 0 <= seconds <= MAX_SECONDS
    read_limits({"x-ratelimit-remaining-requests": first, "x-ratelimit-reset-requests": second})


@pytest.mark.parametrize("off", [-7200, -60, 0, 60, 7200], ids=lambda off: f"{off} s")
def test_a_date_counts_by_the_servers_clock(off: int) -> None:
    """This machine's clock may be off: the answer's own Date says from when on to wait."""
    assert read_retry_after({"retry-after": at(off + 120), "date": at(off)}) == pytest.approx(120, abs=1.5)


@pytest.mark.parametrize(
    "date", ["", "soon", "Mon, 99 Foo 2026 00:00:00 GMT", "Sun, 06 Nov 1994 08:49:37 +9999"]
)
def test_a_date_header_that_is_none(date: str) -> None:
    """Then this machine's clock counts."""
    assert read_retry_after({"retry-after": at(120), "date": date}) == pytest.approx(120, abs=1.5)


@pytest.mark.parametrize("unit", [1, 1000], ids=["seconds", "milliseconds"])
def test_a_reset_that_is_a_moment(unit: int) -> None:
    """Since 1970, as some gateways write it: not a wait of a day."""
    assert duration(str(int((time.time() + 30) * unit))) == pytest.approx(30, abs=1.5)
    assert duration(str(int((time.time() - 30) * unit))) == 0
