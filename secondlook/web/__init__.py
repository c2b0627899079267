"""Everything the server has besides the pages: the gate, sign-in, the HTTP API, health."""
