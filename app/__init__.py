"""Latchkey: the self-service front door of an HTTP API."""

__version__ = "0.1.0"
