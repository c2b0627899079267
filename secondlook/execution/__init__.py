"""Who executes runs: threads here, batches, workers on other machines; who is told of their ends."""
