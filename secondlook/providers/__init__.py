"""Providers of answers: real services, the offline agent, rehearsals."""
