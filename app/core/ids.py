"""Ids as the document's other programs make them, and time-ordered ones for calls."""

from cuid2 import create_id
from uuid_utils import uuid7


def new_id() -> str:
    """A collision-resistant id (cuid2, 24 characters) for rows of the document's tables."""
    return create_id()


def new_call_id(at_ms: int | None = None) -> str:
    """A UUIDv7 (RFC 9562) for a call, in time order; `at_ms` is Unix time in milliseconds."""
    if at_ms is None:
        return str(uuid7())
    return str(uuid7(nanoseconds=at_ms * 1_000_000))
