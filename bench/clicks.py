"""A natural click on each page: what a person does there again and again."""

from __future__ import annotations

from dataclasses import dataclass

from bench.filled import run_id
from bench.session import Click, Session


@dataclass(frozen=True)
class Page:
    """A page and a click on it.

    Attributes:
        name: What is done where.
        click: Does it.
        page: Its name in the address.
        query: The query in the address.
    """

    name: str
    click: Click
    page: str = ""
    query: str = ""


def press(tab: Session, _turn: int) -> None:
    """Press the trivial page's button."""
    tab.press("Button")


def choose_source(tab: Session, turn: int) -> None:
    """Choose one of two sources in the table."""
    tab.tick(turn % 2)


def _numbers(tab: Session, turn: int) -> None:
    tab.unfold("Numbers", turn % 2 == 0)


def _tick_snapshots(tab: Session, turn: int) -> None:
    tab.tick(*range(1 + turn % 2))


def _failures(tab: Session, turn: int) -> None:
    tab.switch("Failures only", turn % 2 == 0)


def _what_was_sent(tab: Session, turn: int) -> None:
    tab.unfold(tab.label("expandable", "Request"), turn % 2 == 0)


def _bars(tab: Session, turn: int) -> None:
    tab.choose("Daily chart", turn % 2)


def _other_rows(tab: Session, turn: int) -> None:
    tab.choose("Group by", turn % 2)


def _which_sources(tab: Session, turn: int) -> None:
    tab.choose("Sources", turn % 2)


def _what_it_does(tab: Session, turn: int) -> None:
    tab.choose("Agent behavior", turn % 40)


SOURCES = Page("Sources, another source chosen", choose_source)
PAGES = (
    SOURCES,
    Page(
        "Sources, one source's numbers opened", _numbers, query="source=4bb9bd05-cd46-52e5-8032-8c5993b8c91a"
    ),
    Page("Snapshots, another one ticked", _tick_snapshots, "snapshots"),
    Page("Runs, failures only or all", _failures, "runs"),
    Page("Runs, one run's request opened", _what_was_sent, "runs", f"run={run_id(7)}"),
    Page("Usage, other bars", _bars, "usage"),
    Page("Usage, by day or by model", _other_rows, "usage"),
    Page("Batch, other sources", _which_sources, "batch"),
    Page("Rehearsal, another misbehaviour", _what_it_does, "rehearsal"),
)
