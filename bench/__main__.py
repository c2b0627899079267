"""`python -m bench`: run the comparisons that are named, or all."""

import sys

from bench import batch, rerun, snapshot, tokens, usage, views

BENCHES = {
    "snapshot": snapshot.main,
    "tokens": tokens.main,
    "rerun": rerun.main,
    "batch": batch.main,
    "views": views.main,
    "usage": usage.main,
}

for name in sys.argv[1:] or BENCHES:
    print(f"\n## {name}\n")
    BENCHES[name]()
