"""Ids as the document's other programs make them, and time-ordered ones for calls."""

from cuid2 import create_id
from uuid_utils import uuid7

_TIME = slice(0, 13)  # of a UUID's text: the milliseconds
_UPPER, _LOWER = slice(15, 18), slice(19, 23)  # the first random bits, after version and variant
_REST = slice(24, 36)
_LOWER_FIRST, _LOWER_LAST, _UPPER_LAST = 0x8000, 0xBFFF, 0xFFF

_newest = ""


def new_id() -> str:
    """A collision-resistant id (cuid2, 24 characters) for rows of the document's tables."""
    return create_id()


def new_call_id(at_ms: int | None = None) -> str:
    """A UUIDv7 (RFC 9562) for a call, in time order; `at_ms` is Unix time in milliseconds.

    Those of one millisecond that is given are in the order in which this process made them.
    """
    global _newest  # noqa: PLW0603  # the order is the process's
    if at_ms is None:
        return str(uuid7())
    made = str(uuid7(nanoseconds=at_ms * 1_000_000))
    if made <= _newest and made[_TIME] == _newest[_TIME]:
        made = _following(_newest, made)
    _newest = made
    return made


def _following(last: str, made: str) -> str:
    """`made`, but its first 26 random bits are those of `last` and one more (RFC 9562, 6.2).

    Where those are all ones, it is the rest that is one more.
    """
    upper, lower = int(last[_UPPER], 16), int(last[_LOWER], 16) + 1
    if lower > _LOWER_LAST:
        upper, lower = upper + 1, _LOWER_FIRST
    if upper > _UPPER_LAST:
        return f"{last[: _REST.start]}{int(last[_REST], 16) + 1:012x}"
    return f"{made[: _UPPER.start]}{upper:03x}-{lower:04x}-{made[_REST]}"
