"""Who answers: a real service, the offline agent, a rehearsal."""
