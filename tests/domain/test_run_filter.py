"""Which runs a URL means: every value is read strictly, and what is wrong is named and left out."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondlook.domain.run_filter import AGENTS, CODES, REVIEWS, VERDICTS, RunFilter, read_filter
from secondlook.domain.runs import RunStatus
from tests.examples import SOURCE, USER

filters = st.builds(
    RunFilter,
    status=st.none() | st.sampled_from(RunStatus),
    verdict=st.none() | st.sampled_from(VERDICTS),
    code=st.none() | st.sampled_from(CODES),
    model=st.none() | st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=200),
    agent=st.none() | st.sampled_from(AGENTS),
    prompt=st.none() | st.just("1"),
    user=st.none() | st.uuids().map(str),
    source=st.none() | st.uuids().map(str),
    since=st.none() | st.dates(max_value=date(2025, 1, 1)),
    until=st.none() | st.dates(min_value=date(2025, 1, 1)),
    failures=st.booleans(),
    differs=st.booleans(),
    review=st.none() | st.sampled_from(REVIEWS),
)


@given(filters)
def test_a_filter_survives_its_url(wanted: RunFilter) -> None:
    """What is written into a URL is read out of it again."""
    assert read_filter(wanted.params()) == (wanted, [])


def test_no_filter() -> None:
    """An empty query, empty values and names of other things mean every run."""
    for params in ({}, {"status": "", "since": ""}, {"page": "7", "run": "x", "Status": "done"}):
        assert read_filter(params) == (RunFilter(), [])
    assert RunFilter().params() == {}


@pytest.mark.parametrize(
    ("name", "text", "rule"),
    [
        ("status", "Done", "one of queued, calling, answered, done, failed, in_doubt, cancelled"),
        ("verdict", "maybe", "one of accepted, refused, none"),
        ("code", "<script>", f"one of {', '.join(CODES)}"),
        ("agent", "claude", "one of openai, offline"),
        ("model", "a\x00b", "a name of at most 200 characters"),
        ("prompt", "x" * 201, "a name of at most 200 characters"),
        ("user", "1 or 1=1", "a UUID"),
        ("source", "../../etc", "a UUID"),
        ("since", "2026-02-30", "a day as YYYY-MM-DD"),
        ("since", "20260201", "a day as YYYY-MM-DD"),
        ("until", "2026-W01-1", "a day as YYYY-MM-DD"),
        ("until", "٢٠٢٦-01-01", "a day as YYYY-MM-DD"),
        ("failures", "yes", "1 or 0"),
        ("differs", "2", "1 or 0"),
        ("review", "passed", "one of pass, fail, none"),
    ],
)
def test_what_is_wrong_is_named_and_left_out(name: str, text: str, rule: str) -> None:
    """The message names the filter and the rule, not the value; the others hold."""
    other = {"prompt": "1"} if name != "prompt" else {"agent": "offline"}
    expected, _ = read_filter(other)
    assert read_filter({name: text, **other}) == (expected, [f"{name} must be {rule}. It is ignored."])


@given(st.dictionaries(st.sampled_from(sorted(vars(RunFilter()))), st.text()))
def test_any_url_is_read(params: dict[str, str]) -> None:
    """Whatever somebody writes into a URL gives a filter, and no traceback."""
    found, wrong = read_filter(params)
    assert isinstance(found, RunFilter)
    assert all("\n" not in each for each in wrong)


def test_days_are_whole_and_in_utc() -> None:
    """A day reaches from its midnight to the next; the first and the last there are can be meant."""
    day = RunFilter(since=date(2026, 11, 22), until=date(2026, 11, 22))
    assert (day.from_second, day.to_second) == (1_795_305_600.0, 1_795_392_000.0)
    always, wrong = read_filter({"since": "0001-01-01", "until": "9999-12-31"})
    assert wrong == []
    assert always.from_second is not None
    assert always.to_second is not None
    assert always.from_second < 0 < always.to_second


def test_a_day_before_itself() -> None:
    """Days the wrong way round hold, and are said."""
    found, wrong = read_filter({"since": "2026-01-02", "until": "2026-01-01"})
    assert found.since is not None
    assert wrong == ["since is after until. No run matches."]


def test_ids_are_read_in_any_writing() -> None:
    """As everywhere: a UUID in capitals is the same."""
    assert read_filter({"user": USER.upper(), "source": SOURCE.upper()})[0] == RunFilter(
        user=USER, source=SOURCE
    )
