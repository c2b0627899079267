"""The pages, run without a browser: what a real one need not repeat for each row of a table."""
