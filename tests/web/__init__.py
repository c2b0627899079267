"""Sign-in, its sessions and the gate, in front of a real Supabase."""
