"""Connections to the server that API_UPSTREAM names: kept, shared, and bounded in time.

Built on httpcore, the transport beneath httpx. httpx itself rewrites paths, keeps all
customers' cookies in one jar, and decompresses. The pool is ours because httpcore's own looks
at every connection for each request, and does not tell whether one was used before, which
a second try depends on.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpcore

from app.metering.asgi import Headers
from app.metering.problems import MalformedRequest, UpstreamError, UpstreamTimeout

CONNECTIONS = 512
"""How many requests may be at the upstream at once; the next waits for CONNECT_SECONDS."""

CONNECT_SECONDS = 5.0
"""The longest wait for a free connection, for connecting, and for the TLS handshake: each."""

READ_SECONDS = 30.0
"""The longest silence of the upstream, and the longest that it may take no bytes."""

KEEP_SECONDS = 4.0
"""How long an idle connection may be used again. Many servers close theirs after five seconds:
a request should seldom meet a connection that is just being closed."""

_DEFAULT_PORTS = {"http": 80, "https": 443}
_REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
_STATUSES = range(200, 600)  # servers know how to send no others


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long the upstream is waited for, in seconds."""

    connect: float = CONNECT_SECONDS
    read: float = READ_SECONDS


@dataclass(frozen=True, slots=True)
class Question:
    """A request for the upstream. `target` is path and query, to be sent byte for byte."""

    method: str
    target: bytes
    headers: Headers
    body: bytes


class UpstreamAnswer:
    """Status and headers as they came; the body still on its way, never decompressed."""

    def __init__(self, response: httpcore.Response) -> None:
        self._response = response
        self.status: int = response.status
        self.headers: Headers = response.headers

    async def parts(self) -> AsyncGenerator[bytes, None]:
        """The body as it comes, 64 KiB at most at a time. Raises UpstreamError, UpstreamTimeout."""
        with _as_problems():
            async for part in self._response.aiter_stream():
                yield part


class Upstream:
    """One server, reached over kept connections. Close it when no request is left."""

    def __init__(
        self, url: str, *, connections: int = CONNECTIONS, timeouts: Timeouts | None = None
    ) -> None:
        parts = urlsplit(url)
        self._origin = httpcore.Origin(
            parts.scheme.encode(),
            (parts.hostname or "").encode(),
            parts.port or _DEFAULT_PORTS[parts.scheme],
        )
        self._base = parts.path.rstrip("/").encode()
        self._tls = trusted_authorities() if parts.scheme == "https" else None
        self.timeouts = timeouts or Timeouts()
        self._free = asyncio.Semaphore(connections)
        self._idle: deque[httpcore.AsyncHTTPConnection] = deque()
        self.authority = parts.netloc.encode()
        """What the upstream is to find in `Host`."""

    @asynccontextmanager
    async def ask(self, question: Question) -> AsyncIterator[UpstreamAnswer]:
        """The answer, once its headers are there. Raises UpstreamError, UpstreamTimeout.

        Leaving before the end of the body breaks the request off at the upstream too.
        """
        await self._wait_for_a_place()
        try:
            with _as_problems():
                connection, response = await self._exchange(question)
            try:
                if response.status not in _STATUSES:
                    raise UpstreamError
                yield UpstreamAnswer(response)
            finally:
                await response.aclose()
                await self._put_back(connection)
        finally:
            self._free.release()

    async def close(self) -> None:
        """Close the connections that nobody uses."""
        while self._idle:
            await self._idle.pop().aclose()

    async def _wait_for_a_place(self) -> None:
        try:
            async with asyncio.timeout(self.timeouts.connect):
                await self._free.acquire()
        except TimeoutError as error:
            raise UpstreamTimeout from error

    async def _exchange(
        self, question: Question
    ) -> tuple[httpcore.AsyncHTTPConnection, httpcore.Response]:
        """Send the request, on a kept connection if there is one.

        The upstream may be closing that one just now. Then a request that may be repeated
        (RFC 9110, 9.2.2) is sent again, once, on a new connection.
        """
        request = self._request(question)
        kept = await self._kept_connection()
        if kept is not None:
            try:
                return kept, await kept.handle_async_request(request)
            except (httpcore.NetworkError, httpcore.RemoteProtocolError):
                if question.method not in _REPEATABLE:
                    raise
        new = httpcore.AsyncHTTPConnection(
            self._origin, ssl_context=self._tls, keepalive_expiry=KEEP_SECONDS
        )
        return new, await new.handle_async_request(request)

    def _request(self, question: Question) -> httpcore.Request:
        url = httpcore.URL(
            scheme=self._origin.scheme,
            host=self._origin.host,
            port=self._origin.port,
            target=self._base + question.target,
        )
        read = self.timeouts.read
        timeouts = {"connect": self.timeouts.connect, "read": read, "write": read}
        return httpcore.Request(
            question.method,
            url,
            headers=question.headers,
            content=question.body,
            extensions={"timeout": timeouts},
        )

    async def _kept_connection(self) -> httpcore.AsyncHTTPConnection | None:
        """The one used last: so those that are too many grow old."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.has_expired():
                return connection
            await connection.aclose()
        return None

    async def _put_back(self, connection: httpcore.AsyncHTTPConnection) -> None:
        if connection.is_available():
            self._idle.append(connection)
        while self._idle and self._idle[0].has_expired():
            await self._idle.popleft().aclose()


def trusted_authorities() -> ssl.SSLContext:
    """TLS with this machine's certificate authorities; `SSL_CERT_FILE` can name others."""
    return ssl.create_default_context()


@contextmanager
def _as_problems() -> Iterator[None]:
    try:
        yield
    except (httpcore.TimeoutException, TimeoutError) as error:
        raise UpstreamTimeout from error
    except (httpcore.NetworkError, httpcore.RemoteProtocolError, OSError) as error:
        raise UpstreamError from error
    except httpcore.LocalProtocolError as error:
        raise MalformedRequest from error
