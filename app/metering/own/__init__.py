"""Latchkey's own routes beneath `/api/v1/`: never the inner app's, never forwarded."""
