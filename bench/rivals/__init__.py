"""How other libraries make the same structured call, each as its documentation says and as fast as it can.

Each runs in an environment of its own, `.venv/rivals/<name>`, which `make bench-rivals` makes from the hashed
lock beside it; nothing of secondlook is imported there. A rival is a module whose `main` is started by
`bench.turns.Child`: it reads what to ask from its first line, and makes one call for each line that follows.
"""
