"""What a process tells about itself: log lines and timed steps, never any content."""
