"""What several pages draw with.

`body` frames a page, `problems` draws errors and `links` leads to other pages. `run`, `snapshot`,
`buckets`, `agent` and `budgets` draw their noun. `charts`, `arrow` and `figures` prepare charts, tables and
numbers.
"""
