"""Executes runs: threads in this process, batches, and workers on other machines."""
