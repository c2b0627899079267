"""Comparisons, run by hand: `python -m bench [snapshot] [tokens] [rerun]`. Never part of the test suite."""
