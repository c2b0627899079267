"""Money: dollars, and billionths of them, as it is stored and added up."""

from __future__ import annotations

from decimal import Decimal

NANO = Decimal(10) ** 9


def nano(dollars: Decimal | None) -> int | None:
    """Billionths of a dollar; None where they are unknown."""
    return None if dollars is None else int((dollars * NANO).to_integral_value())


def usd(nanousd: int | None) -> Decimal | None:
    """Dollars, to the last digit; None where they are unknown."""
    return None if nanousd is None else Decimal(nanousd) / NANO
