"""The database's time, kept as an offset: one node's own clock moves no id and no timestamp."""

import time

_KEPT_SECONDS = 5.0


class DatabaseClock:
    """Milliseconds since 1970 by the database's clock; by this machine's until it was heard.

    Between two hearings it runs by the monotonic clock, which nobody sets.
    """

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()
        self._round_trip = float("inf")
        self._heard_at = 0.0

    def observe(self, database_ms: int, sent: float, received: float) -> None:
        """Take over what the database said between these two moments of `time.monotonic()`.

        It is taken to have said it in their middle, so it is wrong by half the round trip at
        most: a slower round trip does not replace a quicker one of the last five seconds.
        """
        round_trip = received - sent
        if round_trip > self._round_trip and received - self._heard_at < _KEPT_SECONDS:
            return
        self._round_trip, self._heard_at = round_trip, received
        self._offset = database_ms / 1000 - (sent + received) / 2

    def now_ms(self) -> int:
        """Now, by the database."""
        return int((time.monotonic() + self._offset) * 1000)

    def at_ms(self, moment: float) -> int:
        """The database's time at this moment of `time.monotonic()`."""
        return int((moment + self._offset) * 1000)
