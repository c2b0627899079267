"""Rules as tables, and invariants over any buckets and any answer."""
