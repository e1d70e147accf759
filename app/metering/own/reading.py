"""Questions of Latchkey's own routes to the database."""

from app.metering.group_commit import DATABASE_SECONDS, Result
from app.metering.problems import RecordingUnavailable
from app.metering.wire import DatabaseUnavailable, Line, StatementRefused


class Reader:
    """Asks on a connection of its own, which is made with the first question."""

    def __init__(self, *, seconds: float = DATABASE_SECONDS) -> None:
        self._line = Line()
        self._seconds = seconds

    def open(self, url: str) -> None:
        """From now on it can be asked."""
        self._line.open(url)

    def close(self) -> None:
        """Disconnect."""
        self._line.close()

    async def ask(self, statement: bytes, *params: bytes | None) -> Result:
        """The result of a statement that bears being repeated. Raises RecordingUnavailable."""
        try:
            try:
                return await self._line.ask(statement, params, seconds=self._seconds)
            except StatementRefused:
                raise
            except DatabaseUnavailable:
                # The connection was lost, perhaps long ago: once more, on a new one.
                return await self._line.ask(statement, params, seconds=self._seconds)
        except DatabaseUnavailable as error:
            raise RecordingUnavailable from error
