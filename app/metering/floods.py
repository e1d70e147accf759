"""Refusals in a flood: over ten a second of one key become one row that says how many."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.metering.call import Call
    from app.metering.grants import Grant

MOST_A_SECOND = 10

PAUSE_SECONDS = 0.05
"""What a further refusal waits for its answer: a program in a tight loop then calls 20 times a
second on each of its connections, and takes nobody else's share of the processor."""


class Flood:
    """One key's refusals in one second of the database's time."""

    __slots__ = ("count", "rows", "second")

    def __init__(self, second: int) -> None:
        self.second = second
        self.count = 0
        self.rows: dict[int, tuple[str, int]] = {}
        """By status: the row that stands for all further ones, and for how many by now."""


def repeats(call: "Call", grant: "Grant", status: int) -> int:
    """For how many refusals this call's row stands, 1 for a row of its own.

    From the second one in a flood on the call takes over the id of the flood's row, so that its
    answer names a row that there is.
    """
    second = call.created_ms // 1000
    flood = grant.flood
    if flood is None or flood.second != second:
        flood = grant.flood = Flood(second)
    flood.count += 1
    if flood.count <= MOST_A_SECOND:
        return 1
    call.id, times = flood.rows.get(status, (call.id, 0))
    flood.rows[status] = call.id, times + 1
    return times + 1
