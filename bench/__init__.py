"""Measured side by side, run by hand: `python -m bench [NAME ...]`. Never part of the test suite."""
