"""The hot path: a plain ASGI wrapper that knows the key, runs the API, and records the call."""
