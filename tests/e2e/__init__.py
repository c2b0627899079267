"""The dashboard as people meet it: a served process and a real browser."""
