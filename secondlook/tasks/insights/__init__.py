"""What stands out in a snapshot: facts that the code computes, and the words that they back."""
