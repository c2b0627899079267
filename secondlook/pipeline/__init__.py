"""One run from the source to its snapshot: preview, submit, execute, outcome."""
