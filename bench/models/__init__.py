"""Real language models answer the snapshot's requests: a local server, and a bench of prompts."""
