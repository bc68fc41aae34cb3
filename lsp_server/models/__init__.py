"""Model files that users bring: the one in the package, and what is known of others beside what they say themselves."""
