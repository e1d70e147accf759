"""Stripe: a thin gateway around its own client, and its failures by name."""
