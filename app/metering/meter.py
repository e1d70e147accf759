"""The meter: stands before the API, knows the key, runs the app, and records before it answers."""

import asyncio
import logging
from collections.abc import Callable

from app.core.crypto import sha256_hex
from app.core.errors import LatchkeyError
from app.core.ids import new_call_id
from app.keys.format import is_well_formed
from app.metering.answer import Answer
from app.metering.asgi import ASGIApp, Receive, Scope, Send
from app.metering.body import BodySource, read_body
from app.metering.call import Call
from app.metering.clock import DatabaseClock
from app.metering.credentials import read_credentials, without_key
from app.metering.grants import Grants
from app.metering.last_use import LastUse
from app.metering.lifespan import InnerLifespan
from app.metering.pool import DATABASE_SECONDS, BoundedPool, DatabaseUnavailable
from app.metering.problems import ClientGone, InternalError, InvalidKey
from app.metering.recorder import PLACES, Recorder
from app.metering.routes import Routes

logger = logging.getLogger(__name__)

DRAIN_SECONDS = 10.0
"""How long stopping waits for calls that are in work."""

_LOOKUP_CONNECTIONS = 4
_LOOKUPS_WAITING = 1024
_WRITE_CONNECTIONS = 4


class Meter:
    """A plain ASGI app around an inner one. Serves between `start()` and `stop()`.

    `database_url` is asked at the start, in a thread: it may have to start a server first.
    The inner app's own lifespan is run by `start()` and `stop()`; do not run it elsewhere.
    """

    def __init__(
        self,
        inner: ASGIApp,
        *,
        database_url: Callable[[], str],
        max_body_bytes: int,
        places: int = PLACES,
        database_seconds: float = DATABASE_SECONDS,
    ) -> None:
        self._inner = inner
        self._database_url = database_url
        self._max_body_bytes = max_body_bytes
        self._routes = Routes.of(inner)
        self._lifespan = InnerLifespan(inner)
        self._clock = DatabaseClock()
        # Two pools: a crowd of look-ups must not stand before the row of a call already done.
        self._lookups = BoundedPool(
            size=_LOOKUP_CONNECTIONS, max_waiting=_LOOKUPS_WAITING, seconds=database_seconds
        )
        self._writes = BoundedPool(size=_WRITE_CONNECTIONS, seconds=database_seconds)
        self._grants = Grants(self._lookups, self._clock)
        self._recorder = Recorder(self._writes, places=places)
        self._last_use = LastUse(self._writes)

    async def start(self) -> None:
        """Connect and start the inner app. A database that is away does not stop the start."""
        url = await asyncio.to_thread(self._database_url)
        await self._lookups.open(url)
        await self._writes.open(url)
        try:
            await self._lifespan.start()
        except BaseException:
            await self._close_pools()
            raise
        self._last_use.start()
        self._recorder.open()

    async def stop(self) -> None:
        """Take no more calls, finish those in work, write what is left, disconnect."""
        await self._recorder.drain(seconds=DRAIN_SECONDS)
        await self._lifespan.stop()
        await self._last_use.stop()
        await self._close_pools()

    async def _close_pools(self) -> None:
        await asyncio.gather(self._lookups.close(), self._writes.close())

    async def is_ready(self) -> bool:
        """Whether both sides of the database answer now: keys can be looked up, calls recorded."""
        try:
            await asyncio.gather(
                self._lookups.run("SELECT 1", {}), self._writes.run("SELECT 1", {})
            )
        except DatabaseUnavailable:
            return False
        return True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request; a websocket is refused."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        call = self._begin(scope)
        answer = Answer(call, send, self._recorder)
        try:
            key = await self._identify(call, scope)
            body = await read_body(receive, scope["headers"], limit_bytes=self._max_body_bytes)
            answer.take_place()
        except LatchkeyError as refusal:
            await answer.refuse(refusal)
            return
        source = BodySource(body, receive)
        await self._work(call, answer, self._inner_scope(scope, call, key), source)

    def _begin(self, scope: Scope) -> Call:
        created_ms = self._clock.now_ms()
        return Call(
            id=new_call_id(created_ms),
            created_ms=created_ms,
            method=scope["method"],
            route=self._routes.find(scope["path"], scope["method"]),
        )

    async def _identify(self, call: Call, scope: Scope) -> str:
        """The key of an admitted call. Raises the refusal of any other, knowing whose it is."""
        credentials = read_credentials(scope)
        key = credentials.key
        if key is not None and is_well_formed(key):
            call.grant = await self._grants.find(sha256_hex(key))
        if credentials.refusal is not None:
            raise credentials.refusal
        if key is None or call.grant is None:
            raise InvalidKey
        call.grant.check()
        self._last_use.note(call.grant.key_id, call.created_ms)
        return key

    def _inner_scope(self, scope: Scope, call: Call, key: str) -> Scope:
        """What the inner app sees: the caller instead of the key, and our request id.

        No server extensions: their messages would pass by the gate.
        """
        headers = [
            header for header in without_key(scope["headers"], key) if header[0] != b"x-request-id"
        ]
        headers.append((b"x-request-id", call.id.encode()))
        return {
            **scope,
            "headers": headers,
            "extensions": {},
            "state": dict(self._lifespan.state),
            "latchkey": call.admit(),
        }

    async def _work(self, call: Call, answer: Answer, scope: Scope, source: BodySource) -> None:
        try:
            await self._inner(scope, source.receive, answer.send)
        except asyncio.CancelledError:
            answer.abandon()
            raise
        except Exception as error:
            await self._end(call, answer, source, error)
        else:
            if not answer.is_complete:
                await self._end(call, answer, source, None)

    async def _end(
        self, call: Call, answer: Answer, source: BodySource, error: Exception | None
    ) -> None:
        """The inner app ended by an error, or without completing its answer."""
        client_gone = source.client_gone or answer.client_gone
        if error is not None and not client_gone:
            logger.error("the API app failed in call %s", call.id, exc_info=error)
        if answer.is_streaming:
            await answer.break_off()
            if error is not None and not client_gone:
                raise error  # the server then cuts the connection: the client must notice
        elif not answer.is_complete:
            await answer.refuse(ClientGone() if client_gone else InternalError())
