"""What the page Import draws."""
