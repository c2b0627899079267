"""What stands out in a snapshot: facts that the code computes, and the words that they back.

- `facts` computes them, with `chance` for the tests, `sentences` and `wording` for our own words, and
  `ranking` for what is told first; `fact` is what they are made of.
- `task`, `prompt` and `schema` ask the agent; `offline` answers in its place.
- `vocabulary` reads the words that it may use, and `predicates` says what they claim.
- `rules` lists what each sentence must keep. `parsing` takes it apart, and `reading` is what the rules look
  at: `claims`, `values`, `companions`, `adjectives` and `times`.
"""
