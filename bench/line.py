"""A line of the table: what was measured against what, and whether its goal holds."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Literal

_HOLDS = {"<": operator.lt, "≤": operator.le, "≥": operator.ge}


@dataclass(frozen=True)
class Goal:
    """What a figure must be.

    Attributes:
        sign: How the figure must compare.
        value: With what.
        unit: What both are in; "x" is ours by theirs.
    """

    sign: Literal["<", "≤", "≥"]
    value: float
    unit: str = "x"

    def __str__(self) -> str:
        return f"{self.sign} {self.value:g} {self.unit}"

    def holds(self, figure: float) -> bool:
        """Whether a figure, unrounded, is so."""
        return _HOLDS[self.sign](figure, self.value)


@dataclass(frozen=True)
class Line:
    """Cells of the table, in its order."""

    what: str
    against: str
    ours: str
    theirs: str
    figure: str
    goal: str
    holds: Literal["yes", "no", "not measured", ""]

    @property
    def cells(self) -> list[str]:
        """As text."""
        return [self.what, self.against, self.ours, self.theirs, self.figure, self.goal, self.holds]


HEADER = ("what", "against", "ours", "theirs", "ratio or figure", "goal", "holds")


def compared(
    what: str, against: str, ours: float, theirs: float, unit: str, goal: Goal | None = None
) -> Line:
    """A line of two measured figures in one unit, judged by how many times theirs ours is.

    Args:
        what: What is ours.
        against: What is theirs.
        ours: Ours.
        theirs: Theirs.
        unit: Of both.
        goal: What the ratio must be; None where the line is for information.
    """
    ratio = ours / theirs
    verdict = "" if goal is None else "yes" if goal.holds(ratio) else "no"
    shown = "" if goal is None else str(goal)
    return Line(what, against, in_unit(ours, unit), in_unit(theirs, unit), f"{ratio:.2f} x", shown, verdict)


def measured(what: str, against: str, ours: str, figure: float, unit: str, goal: Goal | None = None) -> Line:
    """A line of one figure, which is judged as it is.

    Args:
        what: What was measured.
        against: Under which conditions.
        ours: What the figure is made of.
        figure: The figure.
        unit: Its unit.
        goal: What it must be; None where the line is for information.
    """
    verdict = "" if goal is None else "yes" if goal.holds(figure) else "no"
    shown = "" if goal is None else str(goal)
    return Line(what, against, ours, "", in_unit(figure, unit), shown, verdict)


def not_measured(what: str, against: str, goal: Goal | None, why: str) -> Line:
    """A line that this machine cannot measure, and what it takes.

    Args:
        what: What would be ours.
        against: What would be theirs.
        goal: What it would have to be.
        why: What is missing and how to get it.
    """
    return Line(what, against, "", "", why, "" if goal is None else str(goal), "not measured")


def failed(name: str) -> Line:
    """A line of what broke while it was measured: it does not count as held."""
    return Line(name, "", "", "", "broke while it was measured: see standard error", "", "no")


def in_unit(figure: float, unit: str) -> str:
    """A figure with as many digits as it is good for: three, and whole thousands."""
    digits = 0 if abs(figure) >= 100 or figure == int(figure) else 1 if abs(figure) >= 10 else 2
    return f"{figure:,.{digits}f} {unit}".rstrip()
