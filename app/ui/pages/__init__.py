"""One module a page: its state, and what it shows."""
