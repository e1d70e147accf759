"""API keys: their format, and making, listing, approving and revoking them."""
