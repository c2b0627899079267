"""Connections to what lies outside: an SQLite or Postgres database, a Supabase project."""
