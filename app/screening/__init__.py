"""Name screening against watchlists: an API of its own, which knows nothing of keys."""
