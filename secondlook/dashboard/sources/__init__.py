"""What the page Sources draws."""
