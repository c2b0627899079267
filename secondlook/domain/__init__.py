"""What the words mean: pure types and rules, and nothing that reads or writes."""
