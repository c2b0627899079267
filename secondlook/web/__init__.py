"""Everything the server has besides the pages: the gate, sign-in, the HTTP API, health.

`server` starts the process. `gate` checks each request, `routes` lists what is behind it. `sign_in` and
`cookies` are for people, `api` and `problems` for programs, `health` for load balancers. `static` serves
the pages' files.
"""
