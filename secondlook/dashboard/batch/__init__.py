"""What the page Batch draws."""
