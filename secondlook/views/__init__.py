"""Data for whoever shows it: pages, command line, API, exports and reports print the same."""
