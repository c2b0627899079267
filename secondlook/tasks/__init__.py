"""What the agent is asked: each task owns its prompt, schema, rules, trace, and how its result is kept.

`base` says what a task is, `table` names them all; `checklist` holds the rules that every answer must pass.
"""
