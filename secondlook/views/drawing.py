"""Counts → charts as SVG, for paper and for files: no script, no font of their own, nothing fetched. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

from secondlook.domain.buckets import BandCount, WeekCount
from secondlook.domain.untrusted_text import one_line
from secondlook.views.figures import fill_weeks, share
from secondlook.views.palette import colors, series

MOST = 1100
"""So many bars are drawn at the most: twenty years of weeks, and some."""

_FONT = "font-family='system-ui, -apple-system, Segoe UI, Roboto, sans-serif'"
_WIDTH, _HALF = 720, 352
_LABELS = 9  # along the weeks
_LABEL = 56  # as wide
_NAME = 14  # characters of a band
_NOT_XML = str.maketrans("\ufffe\uffff", "\ufffd\ufffd")


def draw_weeks(weeks: Sequence[WeekCount]) -> str:
    """Weekly volume as columns, gaps as zero; the largest count is on the axis."""
    filled = covered(weeks)[-MOST:]
    height, left, bottom, top = 190, 44, 24, 22
    most = max((week.count for week in filled), default=0)
    step = (_WIDTH - left) / max(len(filled), 1)
    room = height - bottom - top
    parts = [_text(0, 12, "Weekly volume", bold=True), _line(left, height - bottom, _WIDTH)]
    if most:
        parts += [_line(left, top, _WIDTH, faint=True), _text(left - 6, top + 4, _count(most), anchor="end")]
    parts.append(_text(left - 6, height - bottom + 4, "0", anchor="end"))
    every = max(1, -(-len(filled) // _LABELS))
    for index, week in enumerate(filled):
        tall = room * share(week.count, most)
        x = left + index * step
        parts.append(_bar(x + step * 0.12, height - bottom - tall, step * 0.76, tall))
        if index % every == 0:
            middle = min(x + step / 2, _WIDTH - _LABEL / 2)
            parts.append(_text(middle, height - 6, week.week, anchor="middle"))
    said = f"Weekly volume: {len(filled)} weeks, {sum(week.count for week in filled)} estimates"
    return _svg(_WIDTH, height, said, parts)


def draw_bands(name: str, bands: Sequence[BandCount]) -> str:
    """A distribution as bars, each with its count and share."""
    shown = bands[:MOST]
    row, left, right, top = 26, 84, 84, 22
    whole = sum(band.count for band in shown)
    most = max((band.count for band in shown), default=0)
    parts = [_text(0, 12, name, bold=True)]
    for index, band in enumerate(shown):
        y = top + index * row
        long = (_HALF - left - right) * share(band.count, most)
        told = f"{_count(band.count)} ({share(band.count, whole):.0%})"
        parts.append(_text(left - 8, y + 16, one_line(band.band, _NAME), anchor="end"))
        parts.append(_bar(left, y + 4, long, row - 8))
        parts.append(_text(left + long + 8, y + 16, told))
    said = f"{name}: " + ", ".join(f"{one_line(band.band, _NAME)} {_count(band.count)}" for band in shown)
    return _svg(_HALF, top + row * len(shown) + 4, said, parts)


def covered(weeks: Sequence[WeekCount]) -> list[WeekCount]:
    """The weeks without gaps; those of another program that are no ISO weeks come as they are."""
    try:
        return fill_weeks(weeks)
    except (ValueError, OverflowError):
        return list(weeks)


def _svg(width: int, height: float, said: str, parts: Sequence[str]) -> str:
    ink = colors("light")["textColor"]
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height:g}' role='img' {_FONT} "
        f"font-size='12' fill='{ink}'><title>{escape(said)}</title>{''.join(parts)}</svg>"
    )


def _bar(x: float, y: float, width: float, height: float) -> str:
    place = f"x='{x:.2f}' y='{y:.2f}' width='{width:.2f}' height='{height:.2f}'"
    return f"<rect {place} fill='{series('light')[0]}'/>"


def _line(x: float, y: float, to: float, *, faint: bool = False) -> str:
    stroke = colors("light")["borderColor" if faint else "textColor"]
    return f"<path d='M{x:g} {y:g}H{to:g}' stroke='{stroke}' stroke-width='1'/>"


def _text(x: float, y: float, text: str, *, anchor: str = "start", bold: bool = False) -> str:
    weight = " font-weight='600'" if bold else ""
    written = escape(text.translate(_NOT_XML))
    return f"<text x='{x:.2f}' y='{y:.2f}' text-anchor='{anchor}'{weight}>{written}</text>"


def _count(count: int) -> str:
    return f"{count:,}" if count < 10**12 else "≥ 1,000,000,000,000"
