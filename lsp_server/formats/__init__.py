"""Model files: reading them, and refusing those that would harm whoever loads them."""
