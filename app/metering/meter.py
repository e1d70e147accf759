"""The meter: stands before the API, knows the key, runs the app, and records before it answers."""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

from cryptography.fernet import MultiFernet

from app.billing.plans import Plans, get_plans
from app.core.errors import LatchkeyError
from app.metering.admission import Admission
from app.metering.answer import Answer
from app.metering.asgi import (
    EXCHANGE,
    ASGIApp,
    Exchange,
    Headers,
    Receive,
    Scope,
    Send,
    content_type_of,
)
from app.metering.body import BodyReader, BodySource
from app.metering.call import Call
from app.metering.chores import Chores
from app.metering.clock import DatabaseClock
from app.metering.group_commit import DATABASE_SECONDS
from app.metering.key_cache import KeyCache
from app.metering.lifespan import InnerLifespan
from app.metering.listener import Listener
from app.metering.once import Once
from app.metering.own.routes import OwnRoutes
from app.metering.problems import BodyTooLarge, ClientGone, InternalError
from app.metering.rates import Rates
from app.metering.recorder import PLACES, Recorder
from app.metering.redaction import Mode
from app.metering.routes import Routes

logger = logging.getLogger(__name__)

_NOTHING: Mapping[str, Any] = {}
DRAIN_SECONDS = 10.0
"""How long stopping waits for calls that are in work."""


class Meter:
    """A plain ASGI app around an inner one. Serves between `start()` and `stop()`.

    `database_url` is asked at the start, in a thread: it may have to start a server first.
    `direct_url` leads past a pooler, for LISTEN; it is the same where there is none.
    `cipher`, asked likewise, encrypts answers that are kept; without it no `Idempotency-Key` is
    heeded.
    Latchkey's own routes are answered here, for holders of these root keys (their SHA-256), of
    customers' keys, or of none; the inner app never sees them.
    The inner app's own lifespan is run by `start()` and `stop()`; do not run it elsewhere.
    """

    def __init__(
        self,
        inner: ASGIApp,
        *,
        database_url: Callable[[], str],
        max_body_bytes: int,
        direct_url: Callable[[], str] | None = None,
        cipher: Callable[[], MultiFernet] | None = None,
        plans: Callable[[], Plans] = get_plans,
        trusted_proxy_hops: int = 0,
        record_bodies: Mode = "off",
        root_keys: Collection[bytes] = (),
        places: int = PLACES,
        database_seconds: float = DATABASE_SECONDS,
    ) -> None:
        self._inner = inner
        self._database_url = database_url
        self._direct_url = direct_url or database_url
        self._cipher = cipher
        self._max_body_bytes = max_body_bytes
        self._bodies = BodyReader(max_body_bytes)
        self._record_bodies: Mode = record_bodies
        self._routes = Routes.of(inner)
        self._lifespan = InnerLifespan(inner)
        self.clock = DatabaseClock()
        self.keys = KeyCache(self.clock, plans, seconds=database_seconds)
        self.recorder = Recorder(self.clock, places=places, seconds=database_seconds)
        self.once = Once(self.recorder, seconds=database_seconds)
        self._listener = Listener(self.keys.forget)
        self.rates = Rates(self.keys, seconds=database_seconds)
        self._chores = Chores(self.recorder, seconds=database_seconds)
        self._admission = Admission(
            self.clock, self.keys, self._chores, trusted_proxy_hops=trusted_proxy_hops
        )
        self._own = OwnRoutes(
            self._admission,
            self.keys,
            self.recorder,
            plans=plans,
            root_keys=root_keys,
            record_bodies=record_bodies,
            trusted_proxy_hops=trusted_proxy_hops,
            seconds=database_seconds,
        )
        self._own_by_path = self._own.by_path

    async def start(self) -> None:
        """Connect and start the inner app. A database that is away does not stop the start."""
        url = await asyncio.to_thread(self._database_url)
        direct_url = await asyncio.to_thread(self._direct_url)
        cipher = await asyncio.to_thread(self._cipher) if self._cipher is not None else None
        await self._lifespan.start()
        self.keys.open(url)
        if cipher is not None:
            self.once.open(url, cipher)
        self._listener.open(direct_url)
        self._chores.open(url)
        self.rates.open(url)
        self._own.open(url)
        self.recorder.open(url)

    async def stop(self) -> None:
        """Take no more calls, finish those in work, write what is left, disconnect."""
        reports = asyncio.create_task(self._own.drain(seconds=DRAIN_SECONDS))
        await self.recorder.drain(seconds=DRAIN_SECONDS)
        await self.once.close()
        await reports
        await self._lifespan.stop()
        await self._listener.close()
        self._own.close()
        await self.rates.close()
        await self._chores.close()
        await self.keys.close()

    async def is_ready(self) -> bool:
        """Whether both sides of the database answer now: keys can be looked up, calls recorded."""
        return self.recorder.is_well and await self.keys.ping()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request; a websocket is refused."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        own = self._own_by_path.get(scope["path"])
        if own is not None:
            await own(scope, receive, send)
            return
        admission = self._admission
        exchange: Exchange | None = scope.get("extensions", _NOTHING).get(EXCHANGE)
        now = time.monotonic()
        route = self._routes.find(scope["path"], scope["method"])
        call = Call(now, self.clock.at_ms(now), scope["method"], route)
        answer = Answer(call, send, self.recorder, self._record_bodies, exchange)
        try:
            headers = admission.identify_quickly(call, scope)
            if headers is None:
                headers = await admission.identify(call, scope)
                call.is_keyed = self.once.concerns(scope)
            key_id = admission.admit(call, scope)
            body = exchange.take_body() if exchange is not None else None
            if body is None:
                body = await self._bodies.read(receive, scope, key_id)
            elif len(body) > self._max_body_bytes:
                raise BodyTooLarge(self._max_body_bytes)
            if body:
                call.request_body, call.request_type = body, content_type_of(scope["headers"])
            answer.take_place()
            inner = self._inner
            if call.is_keyed:
                inner = await self.once.enter(call, scope, inner)
            self._prepare(scope, call, headers)
        except LatchkeyError as refusal:
            await answer.refuse(refusal, is_early=True)
            return
        except asyncio.CancelledError:
            answer.abandon()
            raise
        await self._work(call, answer, inner, scope, BodySource(body, receive))

    def _prepare(self, scope: Scope, call: Call, headers: Headers) -> None:
        """Make the scope what the inner app sees: the caller instead of the key, our request id.

        No server extensions: their messages would pass by the gate. Raises QuotaExceeded.
        """
        scope["latchkey"] = call.admit()
        headers.append((b"x-request-id", call.id.encode()))
        scope["headers"] = headers
        scope["extensions"] = {}
        scope["state"] = self._lifespan.state.copy()

    async def _work(
        self, call: Call, answer: Answer, inner: ASGIApp, scope: Scope, source: BodySource
    ) -> None:
        try:
            await inner(scope, source.receive, answer.send)
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
        if error is not None and not client_gone and not isinstance(error, LatchkeyError):
            logger.error("the API app failed in call %s", call.id, exc_info=error)
        if answer.is_streaming:
            await answer.break_off()
            if error is not None and not client_gone:
                raise error  # the server then cuts the connection: the client must notice
        elif not answer.is_complete:
            await answer.refuse(_ending(error, client_gone=client_gone))


def _ending(error: Exception | None, *, client_gone: bool) -> LatchkeyError:
    """What is said, and recorded, of an app that ended without an answer."""
    if isinstance(error, LatchkeyError):
        return error
    return ClientGone() if client_gone else InternalError()
