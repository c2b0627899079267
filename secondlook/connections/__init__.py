"""Connections to external systems: an SQLite or Postgres database, a Supabase project."""
