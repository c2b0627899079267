"""The store on Supabase against a real one, through a proxy that counts and spoils requests."""
