"""The snapshot: the agent repeats the aggregates in the locked form."""
