"""The meter: stands before the API, knows the key, runs the app, and records before it answers."""

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable

from app.billing.plans import Plans, get_plans
from app.core.errors import LatchkeyError
from app.keys.format import is_well_formed
from app.metering.address import client_address
from app.metering.answer import Answer
from app.metering.asgi import ASGIApp, Headers, Receive, Scope, Send, content_type_of
from app.metering.body import BodySource, read_body
from app.metering.call import Call
from app.metering.chores import Chores
from app.metering.clock import DatabaseClock
from app.metering.credentials import read_credentials, read_quickly, without_key
from app.metering.group_commit import DATABASE_SECONDS
from app.metering.key_cache import KeyCache
from app.metering.lifespan import InnerLifespan
from app.metering.listener import Listener
from app.metering.problems import ClientGone, InternalError, InvalidKey
from app.metering.recorder import PLACES, Recorder
from app.metering.redaction import Mode
from app.metering.routes import Routes

logger = logging.getLogger(__name__)

DRAIN_SECONDS = 10.0
"""How long stopping waits for calls that are in work."""


class Meter:
    """A plain ASGI app around an inner one. Serves between `start()` and `stop()`.

    `database_url` is asked at the start, in a thread: it may have to start a server first.
    `direct_url` leads past a pooler, for LISTEN; it is the same where there is none.
    The inner app's own lifespan is run by `start()` and `stop()`; do not run it elsewhere.
    """

    def __init__(
        self,
        inner: ASGIApp,
        *,
        database_url: Callable[[], str],
        max_body_bytes: int,
        direct_url: Callable[[], str] | None = None,
        plans: Callable[[], Plans] = get_plans,
        trusted_proxy_hops: int = 0,
        record_bodies: Mode = "off",
        places: int = PLACES,
        database_seconds: float = DATABASE_SECONDS,
    ) -> None:
        self._inner = inner
        self._database_url = database_url
        self._direct_url = direct_url or database_url
        self._max_body_bytes = max_body_bytes
        self._trusted_hops = trusted_proxy_hops
        self._record_bodies: Mode = record_bodies
        self._routes = Routes.of(inner)
        self._lifespan = InnerLifespan(inner)
        self.clock = DatabaseClock()
        self.keys = KeyCache(self.clock, plans, seconds=database_seconds)
        self.recorder = Recorder(self.clock, places=places, seconds=database_seconds)
        self._listener = Listener(self.keys.forget)
        self._chores = Chores(self.recorder, seconds=database_seconds)

    async def start(self) -> None:
        """Connect and start the inner app. A database that is away does not stop the start."""
        url = await asyncio.to_thread(self._database_url)
        direct_url = await asyncio.to_thread(self._direct_url)
        await self._lifespan.start()
        self.keys.open(url)
        self._listener.open(direct_url)
        self._chores.open(url)
        self.recorder.open(url)

    async def stop(self) -> None:
        """Take no more calls, finish those in work, write what is left, disconnect."""
        await self.recorder.drain(seconds=DRAIN_SECONDS)
        await self._lifespan.stop()
        await self._listener.close()
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
        call = self._begin(scope)
        answer = Answer(call, send, self.recorder, self._record_bodies)
        try:
            headers = await self._identify(call, scope)
            self._admit(call, scope)
            body = await read_body(receive, scope["headers"], limit_bytes=self._max_body_bytes)
            call.request_body, call.request_type = body, content_type_of(scope["headers"])
            answer.take_place()
            inner_scope = self._inner_scope(scope, call, headers)
        except LatchkeyError as refusal:
            await answer.refuse(refusal, is_early=True)
            return
        await self._work(call, answer, inner_scope, BodySource(body, receive))

    def _begin(self, scope: Scope) -> Call:
        created_ms = self.clock.now_ms()
        route = self._routes.find(scope["path"], scope["method"])
        return Call(created_ms, scope["method"], route)

    async def _identify(self, call: Call, scope: Scope) -> Headers:
        """Find out whose key it is: the headers without it. Raises the refusal of any other."""
        ordinary = read_quickly(scope)
        if ordinary is not None:
            key, headers = ordinary
            await self._look_up(call, key)
        else:
            credentials = read_credentials(scope)
            if credentials.leaked is not None:
                await self._note_leak(credentials.leaked)
            if credentials.key is not None:
                await self._look_up(call, credentials.key.encode("latin-1"))
            if credentials.refusal is not None:
                raise credentials.refusal
            headers = [
                header
                for header in without_key(scope["headers"], credentials.key or "")
                if header[0] != b"x-request-id"
            ]
        if call.grant is None:
            raise InvalidKey
        return headers

    async def _look_up(self, call: Call, key: bytes) -> None:
        digest = hashlib.sha256(key).digest()
        grant = self.keys.known(digest)
        if grant is None and is_well_formed(key.decode("latin-1")):
            grant = await self.keys.find(digest)
            # The first look-up is also the first time that the database's clock was heard.
            call.begin_at(self.clock.now_ms())
        if grant is not None:
            call.belongs_to(grant)

    async def _note_leak(self, key: str) -> None:
        """The owner of a genuine key is to learn that it was in a URL."""
        if is_well_formed(key):
            grant = await self.keys.find(hashlib.sha256(key.encode()).digest())
            if grant is not None:
                self._chores.leaks.note(grant.key_id, self.clock.now_ms())

    def _admit(self, call: Call, scope: Scope) -> None:
        """Raise the refusal that the call's key gets now, here, if any."""
        grant = call.grant
        assert grant is not None  # noqa: S101  # the caller has just found it
        grant.check(self.clock.now_ms())
        if grant.allowed is not None:
            grant.check_address(client_address(scope, self._trusted_hops))
        grant.bucket.take(grant.terms.requests_per_second, time.monotonic())
        self._chores.note_use(grant.key_id, call.created_ms)

    def _inner_scope(self, scope: Scope, call: Call, headers: Headers) -> Scope:
        """What the inner app sees: the caller instead of the key, and our request id.

        No server extensions: their messages would pass by the gate. Raises QuotaExceeded.
        """
        headers.append((b"x-request-id", call.id.encode()))
        return {
            **scope,
            "headers": headers,
            "extensions": {},
            "state": self._lifespan.state.copy(),
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
