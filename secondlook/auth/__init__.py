"""Supabase Auth: who somebody is, how they stay signed in, and how often they may try."""
