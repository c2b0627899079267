"""Where sources, buckets and snapshots live: the product's own tables, read and written as they are.

`base` says what a store does. `sqlite` is the embedded one, with `samples` in a new file and `source_order`
for its lists. `supabase` is the production one, and `row_security` verifies that it hides other users'
rows.
"""
