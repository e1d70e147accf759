"""The HTTP server's protocol, with an end to everything that a client might do without end."""

from asyncio import TimerHandle, Transport
from collections.abc import Callable
from urllib.parse import unquote

import httptools
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from app.api.exchange import Exchange
from app.api.flow import ReadingClock
from app.api.front import METERED_PREFIX
from app.core.errors import PROBLEM_CONTENT_TYPE, LatchkeyError, problem_of
from app.core.headers import NO_STORE
from app.core.ids import new_call_id
from app.metering.asgi import BODY_FAULT, EXCHANGE
from app.metering.problems import (
    HeadersTooLarge,
    MalformedRequest,
    RequestTooSlow,
    TooManyConnections,
)

MAX_HEAD_BYTES = 64 * 1024
"""Request line and headers together."""

MAX_CONNECTIONS = 10_000
"""Open at once in one process; the next is told to come back."""

MAX_PIPELINED = 100
"""Requests that may wait behind one on its connection."""

MAX_FRAME_BYTES = 64 * 1024
"""Of chunk sizes, their extensions and trailers, beside MAX_FRAME_SHARE times the body."""

MAX_FRAME_SHARE = 10

MAX_DROPPED_BYTES = 16 * 1024 * 1024
"""Of a body that nobody reads any more, as its request is answered: then the connection closes."""

HEAD_SECONDS = 10.0
"""From a head's first byte to its last, and from the connection to the first byte."""

BODY_SECONDS = 20.0
"""For a body; and a second more for each BODY_BYTES_A_SECOND of it that have come."""

BODY_BYTES_A_SECOND = 4096

PAUSED_SECONDS = 1.0
"""Between two looks at whether a connection that we do not read is read again."""

UNREAD_SECONDS = 60.0
"""How long a client may leave an answer unread that is more than the network holds."""

LINGER_SECONDS = 2.0
"""Between a refusal and the closing: with data unread, closing at once would tear it away."""

LINGER_BYTES = 1024 * 1024
"""What may still come in that time."""

_FRAME = frozenset({b"content-length", b"transfer-encoding"})


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's, but heads, bodies and connections have bounds, and trailers are dropped.

    What is no HTTP, too long or too slow gets a problem and the connection's end. Requests that
    came before it are answered first, in order. An ordinary request, which comes in one piece,
    starts no timer, and its end only the first of a connection, which is put off. Time in which
    we do not read is not the client's.

    Trailers (RFC 9110, 6.5.1) uvicorn puts among the headers, where they would pass for what a
    proxy before us has checked or added, such as the last entry of `X-Forwarded-For`.
    A client that closes its sending side counts as gone, as one that closed both.
    """

    flow: ReadingClock
    _in_head = True  # or before one
    _is_over = False
    _is_replay = False
    _is_lingering = False
    _begun_at = 0.0
    _read_bytes = 0
    _open_bytes = 0
    _body_bytes = 0
    _dropped_bytes = 0
    _fault: LatchkeyError | None = None
    _pace: TimerHandle | None = None
    _unread: TimerHandle | None = None
    _idle: TimerHandle | None = None
    _idle_since = 0.0

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as uvicorn
        """A client connects; it has HEAD_SECONDS to send something."""
        super().connection_made(transport)
        self.flow = ReadingClock(transport, self.loop)
        if len(self.connections) > MAX_CONNECTIONS:
            self._refuse(TooManyConnections())
        else:
            self._watch(0)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is no more."""
        for timer in (self._pace, self._unread, self._idle):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """A request begins: its head is open."""
        if not self._is_replay:
            self._in_head, self._open_bytes, self._begun_at = True, 0, 0.0
            super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head is read: from here on the parser's headers are trailers."""
        if self._is_replay:
            return
        if self.pipeline or self._open_bytes or self._read_bytes > MAX_HEAD_BYTES:
            self._check_head()
        is_websocket = self.parser.should_upgrade() and self._should_upgrade()
        if is_websocket:
            super().on_headers_complete()
        else:
            self._begin_exchange()
        self._in_head, self._open_bytes, self._body_bytes, self._begun_at = False, 0, 0, 0.0
        if is_websocket:
            return  # a websocket's headers are read again later
        if self.expect_100_continue:
            self.cycle.keep_alive = False  # after an answer without it, a body may follow or not
        self.headers = []

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole, whether or not it is answered already."""
        if not self.parser.should_upgrade():
            self.cycle.more_body = False
            self.cycle.message_event.set()

    def data_received(self, data: bytes) -> None:
        """Parse what came, and watch a request that is not whole yet."""
        if self._is_over:
            self._drop(len(data))
            return
        self._read_bytes = len(data)
        try:
            self._feed(data)
        except httptools.HttpParserError:
            self._refuse(self._fault or MalformedRequest())
            return
        cycle = self.cycle
        if self._in_head or (cycle is not None and cycle.more_body):
            self._watch(len(data))
        elif cycle is not None and cycle.response_complete:
            # it was the end of a dropped body, or blank lines
            self._in_head, self._open_bytes, self._begun_at = True, 0, 0.0
            self._watch(0)

    def on_response_complete(self) -> None:
        """A request is answered: go on with the next one, or wait for it."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        self._idle_since = self.loop.time()
        if self._idle is None:
            self._idle = self.loop.call_later(self.timeout_keep_alive, self._check_idle)

    def pause_writing(self) -> None:
        """The client does not read."""
        super().pause_writing()
        self._unread = self.loop.call_later(UNREAD_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """It reads again."""
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()

    def _check_idle(self) -> None:
        """Close a connection on which nothing was asked for `timeout_keep_alive` seconds."""
        self._idle = None
        if self._is_over or self._in_head or not self.cycle.response_complete:
            return  # the end of what is going on starts the timer again
        due_at = self._idle_since + self.timeout_keep_alive
        if self.cycle.more_body or due_at > self.loop.time():
            due_at = max(due_at, self.loop.time() + 1)
            self._idle = self.loop.call_at(due_at, self._check_idle)
        else:
            self.transport.close()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        task = self.loop.create_task(cycle.run_asgi(app))
        cycle.task = task  # type: ignore[attr-defined]  # an Exchange, which leaves the set itself
        self.tasks.add(task)

    def _begin_exchange(self) -> None:
        """Run the app for the request whose head is complete, or let it wait for its turn."""
        before, self.cycle = self.cycle, self._exchange()
        if before is None or before.response_complete:
            self._start_asgi_task(self.cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))

    def _exchange(self) -> Exchange:
        """The request whose head is complete, its scope filled in."""
        scope, version = self.scope, self.parser.get_http_version()
        raw_path, query = _split(self.url)
        path = raw_path.decode("ascii")
        scope["method"] = self.parser.get_method().decode("ascii")
        scope["http_version"] = version
        scope["path"] = unquote(path) if "%" in path else path
        scope["raw_path"], scope["query_string"] = raw_path, query
        keep_alive = version != "1.0" and self.parser.should_keep_alive()
        exchange = Exchange(self, scope, keep_alive=keep_alive)
        scope["extensions"] = {EXCHANGE: exchange}  # type: ignore[dict-item]  # an object, not options
        return exchange

    def _feed(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self._should_upgrade():
                self._is_over = True
                self.handle_websocket_upgrade()
            else:
                self._ignore_upgrade(data[upgrade.args[0] :])

    def _ignore_upgrade(self, rest: bytes) -> None:
        """Read on as if nobody had asked for another protocol, such as h2c (RFC 9110, 7.8).

        The parser will not: to it the head was all. A new one is told what the body's frame is.
        """
        frame = b"".join(
            b"%b: %b\r\n" % header for header in self.cycle.scope["headers"] if header[0] in _FRAME
        )
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._is_replay = True
        self.parser.feed_data(b"POST / HTTP/1.1\r\n" + frame + b"\r\n")
        self._is_replay = False
        self._feed(rest)

    def _check_head(self) -> None:
        """Raise, which stops the parser, if this head is too large or too many wait before it."""
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > MAX_HEAD_BYTES:
            self._fault = HeadersTooLarge(MAX_HEAD_BYTES)
            raise self._fault
        if len(self.pipeline) >= MAX_PIPELINED:
            self._fault = TooManyConnections()
            raise self._fault

    def _watch(self, count: int) -> None:
        """The request is not whole: what is to come has an end in bytes, and in time."""
        if self._begun_at:
            self._open_bytes += count
            if self._is_endless():
                return
        else:  # of what came with its beginning, most may be that of requests before it
            self._begun_at = self.flow.time()
        due_at = self.loop.time() + self._seconds_left()
        if self._pace is None or self._pace.when() > due_at:
            if self._pace is not None:
                self._pace.cancel()
            self._pace = self.loop.call_at(due_at, self._check_pace)

    def _is_endless(self) -> bool:
        """Refuse a head that is too long, what is mostly frame, and a long body unheard."""
        if self._in_head:
            if is_endless := self._open_bytes > MAX_HEAD_BYTES:
                self._refuse(HeadersTooLarge(MAX_HEAD_BYTES))
        elif is_endless := self._open_bytes > MAX_FRAME_BYTES + MAX_FRAME_SHARE * self._body_bytes:
            self._refuse(MalformedRequest())
        elif is_endless := self._open_bytes > MAX_DROPPED_BYTES and self.cycle.response_complete:
            self.transport.close()
        return is_endless

    def _seconds_left(self) -> float:
        """Until it is too slow, of time in which we read."""
        seconds = self._begun_at - self.flow.time()
        if self._in_head:
            return seconds + HEAD_SECONDS
        return seconds + BODY_SECONDS + self._open_bytes / BODY_BYTES_A_SECOND

    def _check_pace(self) -> None:
        self._pace = None
        if self._is_over or self.transport.is_closing():
            return  # a websocket's connection too, which has no cycle
        if not (self._in_head or self.cycle.more_body):
            return
        seconds = self._seconds_left()
        if self.flow.read_paused:
            self._pace = self.loop.call_later(max(seconds, PAUSED_SECONDS), self._check_pace)
        elif seconds > 0:
            self._pace = self.loop.call_later(seconds, self._check_pace)
        elif not self._read_bytes:
            self.transport.close()  # nothing was asked, so nothing is answered
        else:
            self._refuse(RequestTooSlow())

    def _refuse(self, error: LatchkeyError) -> None:
        """Take nothing more from this connection, and close it once all is answered."""
        self._is_over = True
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            if self._in_head:
                self._send_problem(error)
            self._close_softly()
            return
        cycle.keep_alive = False
        cycle.transport = _SoftTransport(self.transport, self._close_softly)  # type: ignore[assignment]  # what it needs of one
        if not self._in_head and cycle.more_body:
            self._break_body(cycle, error)

    def _break_body(self, cycle: RequestResponseCycle, error: LatchkeyError) -> None:
        """The body breaks off. The meter answers that itself, for it may have to be recorded."""
        if cycle.scope["path"].startswith(METERED_PREFIX):
            cycle.scope[BODY_FAULT] = error  # type: ignore[literal-required]  # a key of ours
            cycle.more_body = False
            cycle.message_event.set()
        else:
            self.transport.close()

    def _send_problem(self, error: LatchkeyError) -> None:
        request_id = new_call_id()
        body = problem_of(error, request_id)
        ours = self.server_state.default_headers
        headers = {
            **{name.decode("latin-1"): value.decode("latin-1") for name, value in ours},
            "cache-control": NO_STORE,
            "content-type": PROBLEM_CONTENT_TYPE,
            "content-length": str(len(body)),
            "x-request-id": request_id,
            "connection": "close",
            **error.headers,
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.transport.write(STATUS_LINE[error.status] + lines.encode() + b"\r\n" + body)

    def _close_softly(self) -> None:
        """Say that nothing more comes, and close when the client has had time to read it."""
        if not self.transport.is_closing():
            self._is_lingering = True
            self.flow.resume_reading()
            self.transport.write_eof()
            self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def _drop(self, count: int) -> None:
        if not self._is_lingering:
            self.flow.pause_reading()  # until what came before is answered
            return
        self._dropped_bytes += count
        if self._dropped_bytes > LINGER_BYTES:
            self.transport.close()


class _SoftTransport:
    """A transport that is closed softly by whoever answers on it."""

    def __init__(self, transport: Transport, close: Callable[[], None]) -> None:
        self.write = transport.write
        self.is_closing = transport.is_closing
        self.close = close


def _split(url: bytes) -> tuple[bytes, bytes]:
    """Path and query of a request's target (RFC 9112, 3.2)."""
    if url[:1] == b"/" and b"#" not in url:
        path, _, query = url.partition(b"?")
        return path, query
    parsed = httptools.parse_url(url)
    return parsed.path, parsed.query or b""
