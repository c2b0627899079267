"""Pure types and rules; nothing here reads or writes.

- Estimates: `buckets` and their `bucket_rules`, `weeks`, `sources` and their `names`.
- Snapshots: `snapshots` as they are made, `stored_snapshots` as they are read back.
- Runs: `runs` and their plans, `run_filter`, `batches`; `questions`, `answers` and `usage` of their calls.
- People and money: `access` says who may see what, `budgets` what may be spent, `money` how it is counted.
- Values from outside: `identifiers`, `addresses`, `strict_json` and `untrusted_text`.

All types share `base`.
"""
