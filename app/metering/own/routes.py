"""Latchkey's own routes, by path."""

from collections.abc import Callable, Collection, Mapping

from app.billing.plans import Plans
from app.metering.admission import Admission
from app.metering.asgi import ASGIApp
from app.metering.key_cache import KeyCache
from app.metering.own.caller_routes import CallerRoutes
from app.metering.own.endpoint_names import EndpointNames
from app.metering.own.exposed import Exposed
from app.metering.own.finished_calls import FinishedCalls
from app.metering.own.http import route
from app.metering.own.paths import CALLS, EXPOSED, KEY, USAGE, VERIFY
from app.metering.own.reading import Reader
from app.metering.own.report import Report
from app.metering.own.verify import Verify
from app.metering.recorder import Recorder
from app.metering.redaction import Mode


class OwnRoutes:
    """Serves them between `open()` and `drain()`. `by_path` has an ASGI app for each."""

    def __init__(
        self,
        admission: Admission,
        keys: KeyCache,
        recorder: Recorder,
        *,
        plans: Callable[[], Plans],
        root_keys: Collection[bytes],
        record_bodies: Mode,
        trusted_proxy_hops: int,
        seconds: float,
    ) -> None:
        self._reader = Reader(seconds=seconds)
        self._finished = FinishedCalls(recorder, keys, seconds=seconds)
        names = EndpointNames(self._reader)
        caller = CallerRoutes(admission, recorder, self._reader)
        verify = Verify(admission, recorder, names, root_keys=root_keys)
        exposed = Exposed(
            admission, plans, root_keys=root_keys, trusted_proxy_hops=trusted_proxy_hops
        )
        self._report = Report(
            self._finished, names, root_keys=root_keys, record_bodies=record_bodies
        )
        self.by_path: Mapping[str, ASGIApp] = {
            VERIFY: route(verify.answer, "POST"),
            EXPOSED: route(exposed.answer, "POST"),
            CALLS: route(self._report.answer, "POST"),
            USAGE: route(caller.usage(USAGE), "GET", "HEAD"),
            KEY: route(caller.key(KEY), "GET", "HEAD"),
        }

    def open(self, url: str) -> None:
        """Begin to answer."""
        self._reader.open(url)
        self._finished.open(url)

    async def drain(self, *, seconds: float) -> None:
        """Take no more reports, and write those that were taken."""
        await self._finished.drain(seconds=seconds)

    def close(self) -> None:
        """Disconnect, once no request is in work."""
        self._reader.close()
