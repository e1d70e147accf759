"""What services elsewhere may call their routes in the log: few names, for good."""

import time
from collections.abc import Iterable

from app.metering.grants import text
from app.metering.own.reading import Reader
from app.metering.routes import MOST_NAMES, OTHER
from app.metering.wire import array, element

_NAME = b"SELECT latchkey.name_endpoints($1, $2)"
_ASK_AGAIN_SECONDS = 60.0


class EndpointNames:
    """The first names win, on all nodes together; later ones are called `(other)`.

    So whatever a service sends, no table that counts by name grows with it.
    """

    def __init__(self, reader: Reader, *, most: int = MOST_NAMES) -> None:
        self._reader = reader
        self._most = most - 1  # `(other)` is one of them
        self._known = {OTHER.template}
        self._asked_at = -_ASK_AGAIN_SECONDS

    async def name_of(self, endpoint: str) -> str:
        """What this endpoint is called. Raises RecordingUnavailable if nobody can say."""
        if endpoint not in self._known:
            await self.learn([endpoint])
        return endpoint if endpoint in self._known else OTHER.template

    async def learn(self, endpoints: Iterable[str]) -> None:
        """Have these known beforehand, in one question. Raises RecordingUnavailable."""
        new = list(dict.fromkeys(one for one in endpoints if one not in self._known))
        if not new or (self._is_full() and time.monotonic() - self._asked_at < _ASK_AGAIN_SECONDS):
            return
        names = array([element(name) for name in new])
        result = await self._reader.ask(_NAME, names, b"%d" % self._most)
        kept = {text(result.get_value(row, 0)) for row in range(result.ntuples)}
        self._known = {OTHER.template, *kept}
        self._asked_at = time.monotonic()

    def _is_full(self) -> bool:
        return len(self._known) > self._most
