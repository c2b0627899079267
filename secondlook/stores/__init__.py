"""Where sources, buckets and snapshots live: the product's own tables, read and written as they are."""
