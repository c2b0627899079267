"""Real answers and a reading of them that shares nothing with the project."""
