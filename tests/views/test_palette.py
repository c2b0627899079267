"""The theme's colors: readable, told apart by color-blind people, and written in one place."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Sequence
from itertools import combinations, pairwise
from typing import cast, get_args

import pytest

from secondlook.dashboard import usage
from secondlook.dashboard.parts import charts
from secondlook.domain.buckets import BandCount, WeekCount
from secondlook.views import palette
from secondlook.views.drawing import draw_bands, draw_weeks
from secondlook.views.palette import Scheme
from tests.processes import ROOT

SCHEMES: tuple[Scheme, ...] = get_args(Scheme)
THEME = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))["theme"]
STATUS = ("red", "orange", "yellow", "green", "blue", "violet", "gray")

Rgb = tuple[float, float, float]
Matrix = tuple[Rgb, Rgb, Rgb]

# Machado, Oliveira and Fernandes, 2009, severity 1.0: applied to linear light.
SIGHT: dict[str, Matrix] = {
    "usual": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritanopia": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
    "none at all": ((0.2126, 0.7152, 0.0722), (0.2126, 0.7152, 0.0722), (0.2126, 0.7152, 0.0722)),
}
APART = 0.1
"""The least distance in OKLab, where 0.02 is just seen."""
APART_IN_GRAY = 0.05


def linear(color: str) -> Rgb:
    """A color as linear light."""
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    return cast("Rgb", tuple(p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts))


def through(matrix: Matrix, rgb: Rgb) -> Rgb:
    """What is made of three values by a matrix."""
    return cast("Rgb", tuple(sum(m * c for m, c in zip(row, rgb, strict=True)) for row in matrix))


def oklab(rgb: Rgb) -> Rgb:
    """Linear light in a space where distances are those that are seen (Ottosson, 2020)."""
    cones: Matrix = (
        (0.4122214708, 0.5363325363, 0.0514459929),
        (0.2119034982, 0.6806995451, 0.1073969566),
        (0.0883024619, 0.2817188376, 0.6299787005),
    )
    lab: Matrix = (
        (0.2104542553, 0.7936177850, -0.0040720468),
        (1.9779984951, -2.4285922050, 0.4505937099),
        (0.0259040371, 0.7827717662, -0.8086757660),
    )
    return through(lab, cast("Rgb", tuple(max(0.0, each) ** (1 / 3) for each in through(cones, rgb))))


def apart(one: str, other: str, sight: str) -> float:
    """How far two colors are from each other for somebody of that sight."""
    seen = [
        cast("Rgb", tuple(min(1.0, max(0.0, part)) for part in through(SIGHT[sight], linear(each))))
        for each in (one, other)
    ]
    return math.dist(oklab(seen[0]), oklab(seen[1]))


def contrast(one: str, other: str) -> float:
    """The contrast of two colors, as WCAG has it."""
    gray = SIGHT["none at all"]
    dark, light = sorted(through(gray, linear(each))[0] for each in (one, other))
    return (light + 0.05) / (dark + 0.05)


def test_what_is_measured() -> None:
    """The measures give what is known: of black and white, and of what no red-blind person tells apart."""
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    assert oklab((1, 1, 1)) == pytest.approx((1, 0, 0), abs=1e-3)
    assert apart("#0f766e", "#9d174d", "usual") > 0.2
    assert apart("#0f766e", "#9d174d", "deuteranopia") < 0.07


@pytest.mark.parametrize("scheme", SCHEMES)
def test_charts_are_told_apart_by_everybody(scheme: Scheme) -> None:
    """Each two colors of charts, for each kind of sight; and each of them on the page's ground."""
    colors = palette.series(scheme)
    assert len(colors) >= 4
    near = {
        (one, other, sight): apart(one, other, sight)
        for one, other in combinations(colors, 2)
        for sight in SIGHT
    }
    assert [each for each, far in near.items() if far < (APART_IN_GRAY if "none" in each[2] else APART)] == []
    ground = palette.colors(scheme)["backgroundColor"]
    assert [color for color in colors if contrast(color, ground) < 3] == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_text_is_readable(scheme: Scheme) -> None:
    """Text, links, and the label of each status on their own ground and on the page's (WCAG AA)."""
    colors = palette.colors(scheme)
    page, panel = colors["backgroundColor"], colors["secondaryBackgroundColor"]
    pairs = [(colors[text], on) for text in ("textColor", "linkColor") for on in (page, panel)]
    for name in STATUS:
        text = colors[f"{name}TextColor"]
        pairs += [(text, colors[f"{name}BackgroundColor"]), (text, page), (text, panel)]
    pairs.append(("#ffffff", colors["primaryColor"]))  # Streamlit writes on a primary button in white
    assert [(text, on) for text, on in pairs if contrast(text, on) < 4.5] == []
    assert [name for name in STATUS if contrast(colors[f"{name}Color"], page) < 3] == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_ramps_go_one_way(scheme: Scheme) -> None:
    """A sequence gets ever darker or ever lighter; a diverging one does so from its middle to both ends."""

    def lightness(colors: Sequence[str]) -> list[float]:
        return [oklab(linear(color))[0] for color in colors]

    def one_way(values: Sequence[float]) -> bool:
        steps = [after - before for before, after in pairwise(values)]
        return all(step > 0 for step in steps) or all(step < 0 for step in steps)

    sequence = lightness(THEME[scheme]["chartSequentialColors"])
    both = lightness(THEME[scheme]["chartDivergingColors"])
    assert len(sequence) == len(both) == 10
    assert one_way(sequence)
    assert one_way(both[:5])
    assert one_way(both[5:])
    assert (both[0] - both[4]) * (both[9] - both[5]) > 0


COLOR = re.compile(
    r"(?<!&)#(?:[0-9a-f]{8}|[0-9a-f]{6}|[0-9a-f]{3,4})\b|\b(?:rgb|hsl|oklch|lab)a?\(", re.IGNORECASE
)


def test_no_page_and_no_chart_has_a_color_of_its_own() -> None:
    """Colors are written in the theme alone; the two drawings that are files use none but its own."""
    drawn = [
        *(ROOT / "pages").glob("*.py"),
        *(ROOT / "secondlook").rglob("*.py"),
        *(ROOT / "secondlook").rglob("*.html"),
        *(ROOT / "secondlook").rglob("*.css"),
        *(ROOT / "secondlook").rglob("*.js"),
        ROOT / "app.py",
    ]
    found = {
        path.name: COLOR.findall(path.read_text(encoding="utf-8"))
        for path in drawn
        if COLOR.search(path.read_text(encoding="utf-8"))
    }
    assert found == {}
    for path in (ROOT / "secondlook" / "dashboard").glob("*.svg"):
        used = set(COLOR.findall(path.read_text(encoding="utf-8")))
        assert used <= {palette.colors("light")["primaryColor"], "#fff"}, path.name


def test_charts_take_the_themes_colors() -> None:
    """No spec of a chart names a color or a scheme, so that Streamlit gives it the theme's."""
    for spec in (charts.WEEKLY, charts.BANDS, charts.PAIRED_WEEKS, charts.PAIRED_BANDS, usage.BARS):
        text = repr(spec)
        assert COLOR.search(text) is None
        assert "scheme" not in text
        assert "range" not in text


def test_drawings_take_the_themes_colors() -> None:
    """What is drawn for paper has the colors of the light theme, and no other."""
    known = {*palette.colors("light").values(), *palette.series("light")}
    weeks = [WeekCount(week="2026-W01", count=3)]
    bands = [BandCount(band="<500", count=3)]
    used = set(COLOR.findall(draw_weeks(weeks) + draw_bands("Price bands", bands)))
    assert palette.series("light")[0] in used
    assert used <= known
