"""OpenAI's chat completions, and servers that speak the same protocol."""
