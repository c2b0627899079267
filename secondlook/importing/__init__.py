"""Files of estimates: file → table → columns → rows with a fate each → estimates → buckets.

`read.read_file` reads a file, `estimates` says what it returns, `bucketing` counts. Columns and statuses that
the tools use stand in `synonyms.json`. No text of a row leaves this package but in what `Reading` names.
"""
