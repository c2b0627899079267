"""What the agent is asked: each task owns its prompt, its schema, its rules and its trace."""
