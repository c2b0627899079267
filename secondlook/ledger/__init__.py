"""The project's own records: runs, their calls, and the answers that were paid for.

- The database: `database` opens it, `migrations` makes its tables, `tables` names their columns, `rows` reads
  and writes them as domain types. `durability` checks that what is written is kept, `clock` handles a clock
  that is set back, `backup` copies a ledger and restores one.
- Runs: `runs` has their transitions and `statements` the SQL of each, `calls` what is kept of a request,
  `submissions` the insert of new runs, `leases` their owners' leases, `run_queries` the runs as they are.
- Batches: `batches` has their decisions, `releases` starts their runs, `rate_limits` what a provider allows.
- Money: `budgets` reserves and settles the cost of calls and holds the switch that stops all sending.
- Reports: `history` finds past runs, `usage` sums them up, `tally` is such a sum, `cache` keeps it.
- People: `reviews` of runs, and `pruning`, which erases what runs hold.
- Other programs: `worker_queue`, and the `outbox` of the webhook's messages.
"""
