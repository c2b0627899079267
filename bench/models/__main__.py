"""`python -m bench.models serve`: a local model to try the project against, in an environment of its own."""

from __future__ import annotations

import subprocess
import sys

from bench.environment import ROOT, clean
from bench.models.measure import HOME


def main() -> int:
    """Start the server; what it takes is what `bench.models.server` takes."""
    if sys.argv[1:2] != ["serve"]:
        print("usage: python -m bench.models serve [--model gemma|smollm2] [--port N] [--threads N]")
        return 2
    if not (HOME / "installed").exists():
        print("The models are not installed: `make bench-models`", file=sys.stderr)
        return 1
    command = [str(HOME / "bin" / "python"), "-m", "bench.models.server", *sys.argv[2:]]
    try:
        return subprocess.run(command, cwd=ROOT, env=clean(), check=False).returncode
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    sys.exit(main())
