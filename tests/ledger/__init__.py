"""What the ledger guarantees."""
