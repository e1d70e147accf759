"""The database's time, kept as an offset: one node's own clock moves no id and no timestamp."""

import time


class DatabaseClock:
    """Milliseconds since 1970 by the database's clock; by this machine's until it was heard."""

    def __init__(self) -> None:
        self._offset_ms = 0

    def observe(self, database_ms: int) -> None:
        """Take over what the database has just said."""
        self._offset_ms = database_ms - _local_ms()

    def now_ms(self) -> int:
        """Now, by the database."""
        return _local_ms() + self._offset_ms


def _local_ms() -> int:
    return time.time_ns() // 1_000_000
