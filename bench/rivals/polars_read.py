"""The buckets of a file of estimates, a source a value of `account`, by hand in polars."""

from __future__ import annotations

import sys

import polars as pl


def main() -> None:
    """Read the file that is named, and count."""
    taken = (
        pl.scan_csv(sys.argv[1], schema_overrides={"amount": pl.Float64}, try_parse_dates=True)
        .filter(pl.col("status").str.to_lowercase().is_in(["closed", "accepted"]))
        .with_columns(
            days=(pl.col("closed_at") - pl.col("created_at")).dt.total_days(),
            week=pl.col("closed_at").dt.strftime("%G-W%V"),
        )
    )
    amount, days = pl.col("amount"), pl.col("days")
    bands = taken.group_by("account").agg(
        pl.len(),
        lt_500=(amount < 500).sum(),
        from_500=((amount >= 500) & (amount < 1500)).sum(),
        from_1500=((amount >= 1500) & (amount < 5000)).sum(),
        from_5000=(amount >= 5000).sum(),
        days_0_2=(days <= 2).sum(),
        days_3_7=days.is_between(3, 7).sum(),
        days_8_21=days.is_between(8, 21).sum(),
        days_22=(days >= 22).sum(),
    )
    weeks = taken.group_by("account", "week").agg(pl.len())
    found = pl.collect_all([bands, weeks], engine="streaming")
    print(len(found[0]), found[0]["len"].sum(), len(found[1]))


if __name__ == "__main__":
    main()
