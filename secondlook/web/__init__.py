"""What the front door serves besides the pages: the gate, sign-in, the HTTP API, health."""
