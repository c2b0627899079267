"""Tools for developing and testing; no part of the package."""
