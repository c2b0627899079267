"""The buckets of a file of estimates, a source a value of `account`, by hand in DuckDB."""

from __future__ import annotations

import sys

import duckdb

BANDS = """
select account, count(*),
  count(*) filter (amount < 500), count(*) filter (amount >= 500 and amount < 1500),
  count(*) filter (amount >= 1500 and amount < 5000), count(*) filter (amount >= 5000),
  count(*) filter (days <= 2), count(*) filter (days between 3 and 7),
  count(*) filter (days between 8 and 21),
  count(*) filter (days >= 22)
from taken group by account
"""
WEEKS = "select account, strftime(closed_at, '%G-W%V') as week, count(*) from taken group by account, week"


def main() -> None:
    """Read the file that is named, and count."""
    connection = duckdb.connect()
    connection.execute(
        """create table taken as select account, created_at, closed_at, amount,
             floor(epoch(closed_at - created_at) / 86400) as days
           from read_csv(?, types={'estimate_id': 'VARCHAR', 'created_at': 'TIMESTAMP',
             'closed_at': 'TIMESTAMP', 'amount': 'DECIMAL(12, 2)', 'status': 'VARCHAR'})
           where lower(status) in ('closed', 'accepted')""",
        [sys.argv[1]],
    )
    bands = connection.execute(BANDS).fetchall()
    weeks = connection.execute(WEEKS).fetchall()
    print(len(bands), sum(row[1] for row in bands), len(weeks))


if __name__ == "__main__":
    main()
