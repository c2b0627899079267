"""What the page Snapshots draws."""
