"""What helps whoever works on this: the local Supabase of `make supabase`."""
