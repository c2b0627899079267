"""One snapshot on one page: self-contained, safe whatever it holds, and provable by its hash."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from secondlook.domain.buckets import AgentInput, BandCount, WeekCount
from secondlook.domain.runs import INSIGHTS, Run
from secondlook.domain.snapshots import SnapshotResult
from secondlook.domain.usage import Usage
from secondlook.tasks.insights.facts import facts_of, given_of
from secondlook.tasks.snapshot.prompt import messages
from secondlook.views.drawing import draw_bands, draw_weeks
from secondlook.views.insights import Told, view_insights
from secondlook.views.report import write_report
from secondlook.views.snapshot import SnapshotView, view_snapshot
from tests.examples import Json, bucket_row, example_input
from tests.views.test_comparison import made, snapshot

EVIL = '<script>alert(1)</script> & "quotes" \x07\u202e' + "x" * 300
SVG = "{http://www.w3.org/2000/svg}"


def run_of(agent_input: AgentInput, **changes: Json) -> Run:
    """The run that sent an input."""
    request = {"messages": messages(agent_input)}
    return made(input=agent_input.model_dump_json(), request=request, **changes)


def report_of(view: SnapshotView) -> str:
    """The report with our own sentences."""
    facts = facts_of(given_of(view.result))
    return write_report(view, view_insights(view.snapshot, facts, []))


def told(report: str) -> str:
    """A report's text."""
    text = re.sub(r"<style.*?</style>|<[^>]+>", " ", report, flags=re.DOTALL)
    return " ".join(text.replace("&lt;", "<").replace("&#34;", '"').split())


def test_it_tells_what_it_is_of() -> None:
    """What stands out, period, currency, sample; in small print model, prompt, ids and the hash."""
    given = example_input()
    usage = Usage(prompt_tokens=400, completion_tokens=150, total_tokens=550, cached_tokens=0)
    run = run_of(given, answered_model="gpt-4o-2024-08-06", usage=usage, request_id="req_7")
    text = told(report_of(view_snapshot(snapshot(given), "Acme & Sons", run)))
    for words in (
        "Acme &amp; Sons",
        "December 29, 2025 to January 11, 2026 · 35 estimates · low confidence · US dollars",
        "The largest price band is $500 to $1,500: 71 % of the estimates (25 of 35).",
        "Sentences and numbers are computed from the snapshot.",
        "Generated 2026-11-22T10:00:00Z by gpt-4o-2024-08-06 of OpenAI",
        "Validated: 22 of 22 values match the buckets",
        "req_7",
    ):
        assert words in text
    canonical = json.dumps(
        snapshot(given).result.model_dump(mode="json"), sort_keys=True, separators=(",", ":")
    )
    assert hashlib.sha256(canonical.encode()).hexdigest() in text
    sent = json.dumps([message["content"] for message in messages(given)])
    assert f"version 1, SHA-256 of its messages as JSON {hashlib.sha256(sent.encode()).hexdigest()}" in text
    assert "Copy" not in text


def test_a_run_of_an_older_prompt() -> None:
    """A run keeps its prompt's version; what was sent is for run details, not for stakeholders."""
    sent = {"model": "gpt-4o-2024-08-06", "messages": [{"role": "user", "content": "2026-W 01:15 02:20"}]}
    run = made(input=example_input().model_dump_json(), request=sent, prompt_version="1")
    text = told(report_of(view_snapshot(snapshot(example_input()), "Acme", run)))
    assert "Prompt version 1, SHA-256" in text
    assert "2026-W 01:15 02:20" not in text


@pytest.mark.parametrize(
    ("run", "words"),
    [
        pytest.param(
            None,
            ["Stored by another program, not validated here", "unknown: another program made this snapshot"],
            id="another program",
        ),
        pytest.param(
            run_of(example_input(), agent="rehearsal", model="rehearsal-no-usage"),
            ["Rehearsal: rehearsal-no-usage", "by the rehearsal, in place of rehearsal-no-usage"],
            id="rehearsal",
        ),
        pytest.param(
            made(input=example_input(bucket_row(price_band_lt_500=11)).model_dump_json(), request={}),
            ["Not validated: 21 of 22 values match", "Prompt version 1, what was sent has been erased"],
            id="other input",
        ),
        pytest.param(
            made(
                input=example_input(bucket_row(price_band_lt_500=11)).model_dump_json(),
                request={},
                erased_at="2026-11-22T10:00:00Z",
            ),
            ["Validated when it was made; what was sent has been erased"],
            id="erased",
        ),
    ],
)
def test_it_says_what_it_cannot_vouch_for(run: Run | None, words: list[str]) -> None:
    """What was made elsewhere, rehearsed or erased is marked as such, and never as validated."""
    text = told(report_of(view_snapshot(snapshot(example_input()), "", run)))
    assert "Deleted source" in text
    if run is None or not run.rehearsal:
        assert "Validated: " not in text
    for each in words:
        assert each in text


def test_untrusted_text_is_text() -> None:
    """Names and bands that hold markup are shown letter by letter; nothing in the page can run or fetch."""
    given = snapshot(example_input())
    answer = given.result.model_dump(mode="json")
    answer["demand"]["price_distribution"] = [{"band": EVIL, "count": 10**30}]
    answer["demand"]["weekly_volume"] = [{"week": "</svg><script>x</script>", "count": 0}]
    answer["decision_latency"]["distribution"] = []
    odd = given.model_copy(
        update={"result": SnapshotResult.model_validate(answer, strict=False), "generated_at": EVIL}
    )
    written = report_of(view_snapshot(odd, EVIL, None))
    assert "<script" not in written
    assert "http" not in written.replace("http://www.w3.org/2000/svg", "").replace("http-equiv", "")
    assert "default-src 'none'" in written


def test_the_agents_sentences() -> None:
    """They come first, by name of who wrote them; refused ones are nowhere."""
    view = view_snapshot(snapshot(example_input()), "Acme", None)
    facts = facts_of(given_of(view.result))
    own = view_insights(view.snapshot, facts, [])
    agent = Told("The largest price band leads with 71 % of estimates.", ("price_leader",), "agent")
    run = made(task=INSIGHTS, answered_model="gpt-4o-2024-08-06", prompt_version="i1")
    text = told(write_report(view, replace(own, headline=agent, run=run, refused={1: "word"})))
    assert text.index("leads with 71") < text.index(own.insights[0].text)
    assert "Sentences by gpt-4o-2024-08-06 of OpenAI; every number in them is computed" in text
    assert "prompt version i1" in text
    assert "word" not in text.replace("words", "")


def test_messages_that_were_erased() -> None:
    """Where nothing is known any more, there are none."""
    assert view_snapshot(snapshot(example_input()), "", None).messages == []
    erased = made(input=example_input().model_dump_json(), request={})
    assert view_snapshot(snapshot(example_input()), "", erased).messages == []


# -- the drawings ---------------------------------------------------------------------------------------


def bars(svg: str) -> list[ET.Element]:
    """The bars of a drawing."""
    return ET.fromstring(svg).findall(f"{SVG}rect")  # noqa: S314 -- our own drawing


def test_bars_are_as_long_as_their_counts() -> None:
    """Twice the count is twice the bar; a gap is a bar of no height, a week of its own width."""
    given = [WeekCount(week="2026-W01", count=4), WeekCount(week="2026-W03", count=2)]
    heights = [float(bar.attrib["height"]) for bar in bars(draw_weeks(given))]
    assert heights == [heights[0], 0, heights[0] / 2]
    lengths = [
        float(bar.attrib["width"])
        for bar in bars(draw_bands("Price", [BandCount(band=str(n), count=n) for n in (0, 1, 3)]))
    ]
    assert lengths[0] == 0
    assert lengths[2] == pytest.approx(3 * lengths[1], rel=1e-3)


@pytest.mark.parametrize("counts", [[], [0], [0, 0], [10**400, 1]], ids=str)
def test_any_counts_can_be_drawn(counts: list[int]) -> None:
    """Nothing, nothing but zeros, and what no axis holds."""
    in_time = [WeekCount(week=f"2026-W{number:02}", count=count) for number, count in enumerate(counts, 1)]
    in_bands = [BandCount(band="b", count=count) for count in counts]
    assert len(bars(draw_weeks(in_time))) == len(bars(draw_bands("x", in_bands))) == len(counts)


def test_too_many_are_cut() -> None:
    """A drawing has an end."""
    assert len(bars(draw_bands("x", [BandCount(band="b", count=1)] * 5000))) == 1100
