"""Estimates as rows of `estimates_normalized`, and as the table that is bucketed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from secondlook.errors import StoreUnavailable

if TYPE_CHECKING:
    import pandas as pd

EstimateRow = tuple[str, str, str, float, str, str | None]
"""estimate_id, created_at, closed_at (UTC), amount in dollars, status, job_type."""

COLUMNS = ("estimate_id", "created_at", "closed_at", "amount", "status", "job_type")


def rows_of(estimates: pd.DataFrame) -> list[EstimateRow]:
    """Rows as the store holds them.

    Args:
        estimates: Columns estimate_id, created_at, closed_at, amount_cents, status, job_type.
    """
    return list(
        zip(
            estimates["estimate_id"].tolist(),
            _texts(estimates["created_at"]),
            _texts(estimates["closed_at"]),
            (estimates["amount_cents"].to_numpy() / 100).tolist(),
            estimates["status"].tolist(),
            [each if isinstance(each, str) else None for each in estimates["job_type"].tolist()],
            strict=True,
        )
    )


def estimates_of(rows: Iterable[Sequence[Any]]) -> pd.DataFrame:
    """The table of rows that a store has given.

    Args:
        rows: Each with the columns of `COLUMNS`, as whatever program wrote them.

    Raises:
        StoreUnavailable: A row holds no time or no amount where it must.
    """
    import pandas as pd

    columns = pd.DataFrame(list(rows), columns=list(COLUMNS), dtype=object)
    try:
        return pd.DataFrame(
            {
                "estimate_id": columns["estimate_id"].astype(str),
                "created_at": _moments(columns["created_at"]),
                "closed_at": _moments(columns["closed_at"]),
                "amount_cents": (columns["amount"].astype(float) * 100).round().astype("int64"),
                "status": columns["status"],
                "job_type": columns["job_type"],
            }
        )
    except (ValueError, TypeError, OverflowError):
        raise StoreUnavailable(
            "Estimates of this source cannot be read: a time or an amount is missing or malformed",
            hint="Correct them in the program that wrote them, or import the source anew.",
        ) from None


def _moments(texts: pd.Series[Any]) -> pd.Series[Any]:
    import pandas as pd

    return pd.to_datetime(texts, utc=True, format="ISO8601").astype("datetime64[us, UTC]")


def _texts(moments: pd.Series[Any]) -> list[str]:
    import numpy as np

    exact: np.ndarray[Any, Any] = moments.dt.tz_localize(None).to_numpy(dtype="datetime64[us]")
    whole = exact.astype("datetime64[s]")
    texts: list[str] = [f"{text}Z" for text in np.datetime_as_string(whole).tolist()]
    for index in np.flatnonzero(exact != whole).tolist():
        texts[index] = str(exact[index]).rstrip("0") + "Z"
    return texts
