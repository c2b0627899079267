"""Providers of answers: real services, the offline agent, rehearsals.

`base` is the interface, and `table` lists every provider. `openai` has those that speak its protocol.
`offline` answers locally, and `rehearsal` misbehaves on purpose. `prices` computes what an answer costs.
"""
