"""Pure rules that a JSON schema cannot express: for buckets before a call, for answers after it."""
