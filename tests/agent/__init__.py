"""The agent over in-memory transports."""
