"""Data for whoever shows it: pages, command line, API, exports and reports print the same.

`run`, `run_details`, `snapshot`, `comparison`, `trial` and `usage` compute what is shown of their noun.
`insights` and `acceptance` are of what stands out. `report`, its `pdf` and `export` make files. `figures`,
`drawing` and `palette` are their numbers, charts and colors.
"""
