"""Pure types and rules; nothing here reads or writes."""
