"""Takes a run from its source to its snapshot: preview → submit → execute → outcome.

The nine steps: `submit` verifies the source, loads buckets and count, determines the confidence, builds the
input, and queues the run. `execute` calls the agent once, stores the snapshot with its metadata, and marks
the source. `preview` shows what a run would be; `outcome` says what one came to.
"""
