"""Files of estimates: reading, buckets, refusals."""
