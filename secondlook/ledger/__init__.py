"""The project's own records: runs, their calls, and the answers that were paid for."""
