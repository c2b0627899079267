"""What this project remembers by itself: runs, the calls they made, and the answers that were paid for."""
