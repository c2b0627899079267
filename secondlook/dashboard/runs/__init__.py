"""What the page Runs draws."""
