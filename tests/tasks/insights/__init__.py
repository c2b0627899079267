"""Facts, held against hand-computed values, scipy and sources of every shape."""
