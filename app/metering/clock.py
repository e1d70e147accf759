"""The database's time, kept as an offset: one node's own clock moves no id and no timestamp."""

import time

_KEPT_SECONDS = 5.0
_MOST_HELD_SECONDS = 1.0
"""More than any round trip leaves in doubt: the database's own clock was set back by so much."""


class DatabaseClock:
    """Milliseconds since 1970 by the database's clock; by this machine's until it was heard.

    Between two hearings it runs by the monotonic clock, which nobody sets. It never goes back:
    when it turns out to be ahead it stands still until the database has caught up, so that ids
    and rows are in the order of their calls. Only another clock of the database is followed back.
    """

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()
        self._round_trip = float("inf")
        self._heard_at = 0.0
        self._least_ms = 0

    def observe(self, database_ms: int, sent: float, received: float) -> None:
        """Take over what the database said between these two moments of `time.monotonic()`.

        It is taken to have said it in their middle, so it is wrong by half the round trip at
        most: a slower round trip does not replace a quicker one of the last five seconds.
        """
        round_trip = received - sent
        if round_trip > self._round_trip and received - self._heard_at < _KEPT_SECONDS:
            return
        offset = database_ms / 1000 - (sent + received) / 2
        is_doubt = self._heard_at > 0 and self._offset - offset < _MOST_HELD_SECONDS
        self._least_ms = self.now_ms() if is_doubt else 0
        self._round_trip, self._heard_at, self._offset = round_trip, received, offset

    def now_ms(self) -> int:
        """Now, by the database."""
        return self.at_ms(time.monotonic())

    def at_ms(self, moment: float) -> int:
        """The database's time at this moment of `time.monotonic()`."""
        at_ms = int((moment + self._offset) * 1000)
        return at_ms if at_ms > self._least_ms else self._least_ms
