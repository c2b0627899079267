"""The HTTP API, asked over the wire."""
