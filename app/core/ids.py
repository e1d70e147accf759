"""Ids as the document's other programs make them, and time-ordered ones for calls."""

from cuid2 import create_id
from uuid_utils import uuid7

_MOST_OF_A_MS = 0xFFF

_ms = -1
_count = 0


def new_id() -> str:
    """A collision-resistant id (cuid2, 24 characters) for rows of the document's tables."""
    return create_id()


def new_call_id(at_ms: int | None = None) -> str:
    """A UUIDv7 (RFC 9562) for a call, in time order; `at_ms` is Unix time in milliseconds.

    At least 2,048 of one millisecond that is given are in the order in which this process made
    them: their first 12 random bits are a counter (6.2, method 1) that begins at random.
    """
    global _ms, _count  # noqa: PLW0603  # the order is the process's
    if at_ms is None:
        return str(uuid7())
    made = str(uuid7(nanoseconds=at_ms * 1_000_000))
    if at_ms != _ms:
        _ms, _count = at_ms, int(made[15:18], 16) >> 1
    elif _count < _MOST_OF_A_MS:
        _count += 1
    return f"{made[:15]}{_count:03x}{made[18:]}"
