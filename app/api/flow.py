"""Whether a connection is read, and for how long it has been."""

from asyncio import AbstractEventLoop, Transport

from uvicorn.protocols.http.flow_control import FlowControl


class ReadingClock(FlowControl):
    """uvicorn's, and a clock of the connection that stands still while it is not read."""

    def __init__(self, transport: Transport, loop: AbstractEventLoop) -> None:
        super().__init__(transport)
        self._loop = loop
        self._paused_at = 0.0
        self._paused_seconds = 0.0

    def pause_reading(self) -> None:
        """Read no more, until it is resumed."""
        if not self.read_paused:
            self._paused_at = self._loop.time()
            super().pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        if self.read_paused:
            self._paused_seconds += self._loop.time() - self._paused_at
            super().resume_reading()

    def time(self) -> float:
        """The loop's time, less that in which nothing was read."""
        now = self._paused_at if self.read_paused else self._loop.time()
        return now - self._paused_seconds
