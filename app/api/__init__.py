"""The mounted HTTP routes, and the outermost ASGI callable that sends calls to the meter."""
