"""One request and its answer, with a short way for the meter past uvicorn's."""

import asyncio

from uvicorn._types import (
    ASGI3Application,
    ASGIReceiveCallable,
    ASGISendCallable,
    HTTPScope,
    Scope,
)
from uvicorn.protocols.http.httptools_impl import (
    HEADER_RE,
    HEADER_VALUE_RE,
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from app.metering.asgi import BODY_FAULT, OURS, Headers

_BODILESS = frozenset({204, 304})
_FRAMING = frozenset({b"connection", b"transfer-encoding"})
_MOST_LINES = 1000
_LONGEST_KEPT = 200


class Exchange(RequestResponseCycle):
    """uvicorn's request and response, and besides a short way for the meter (`asgi.Exchange`).

    uvicorn writes an answer in two messages, looks at each header with two expressions, and
    wants its app to live until the last byte: a third of what a metered call costs in Python.
    """

    _is_promised = False
    disconnected = False
    more_body = True
    body: bytes | bytearray = b""  # type: ignore[assignment]  # uvicorn has an array from the start
    response_started = False
    response_complete = False
    chunked_encoding: bool | None = None
    expected_content_length = 0
    task: asyncio.Task[None] | None = None
    """What runs the app."""

    def __init__(self, protocol: HttpToolsProtocol, scope: HTTPScope, *, keep_alive: bool) -> None:
        """What uvicorn's has, but what is the same at the start of each is the class's."""
        self.scope = scope
        self.transport = protocol.transport
        self.flow = protocol.flow
        self.logger = protocol.logger
        self.access_logger = protocol.access_logger
        self.access_log = protocol.access_log
        self.default_headers = protocol.server_state.default_headers
        self.waiting_for_100_continue = protocol.expect_100_continue
        self.keep_alive = keep_alive
        self.on_response = protocol.on_response_complete
        self.message_event = _News()  # type: ignore[assignment]  # what is used of an Event
        self._tasks = protocol.tasks

    @property
    def is_writable(self) -> bool:
        """Whether the client reads what it was sent; else `send` waits until it does."""
        return not self.flow.write_paused

    def take_body(self) -> bytes | None:
        """The request's body if all of it has come, else None: then `receive` it."""
        if self.more_body or self.waiting_for_100_continue or self.disconnected:
            return None
        if BODY_FAULT in self.scope:
            return None
        body, self.body = self.body, b""
        self.message_event.clear()  # the next `receive` waits for the client's going away
        return bytes(body)

    def promise(self) -> None:
        """The answer will come by `respond`, perhaps after the app has returned."""
        self._is_promised = True

    def frame(self, status: int, headers: Headers, body_bytes: int) -> bytes | None:
        """The head of a whole answer, but for its end; of what is in OURS nothing.

        None if it has to be framed in another way than by its length. Raises RuntimeError for
        a header that is none.
        """
        if self.scope["method"] == "HEAD" or status in _BODILESS:
            return None
        length = b"%d" % body_bytes
        lines = [STATUS_LINE[status], _lines_of(self.default_headers)]
        for name, value in headers:
            line = _known_lines.get((name, value)) or _line_of(name, value)
            if line is _LENGTH:
                if value != length:
                    return None
            elif line is _FRAME:
                return None
            else:
                lines.append(line)
        lines.append(b"content-length: %b\r\n" % length)
        return b"".join(lines)

    def respond(self, head: bytes, lines: bytes, body: bytes | bytearray) -> None:
        """Send what `frame` made, with more header lines. A client that is gone gets nothing."""
        if self.disconnected or self.transport.is_closing():
            return
        self.response_started = self.response_complete = True
        self.message_event.set()
        if self.keep_alive:
            self.transport.write(b"".join((head, lines, b"\r\n", body)))
        else:
            self.transport.write(b"".join((head, lines, b"connection: close\r\n\r\n", body)))
            self.transport.close()
        on_response, self.on_response = self.on_response, _nothing
        on_response()

    async def run_asgi(self, app: ASGI3Application) -> None:
        """Run the app; one that has promised its answer may return before it leaves."""
        failure: BaseException | None = None
        try:
            await app(self.scope, self.receive, self.send)
        except BaseException as error:  # uvicorn answers for it below
            failure = error
        if self._is_promised:
            if failure is not None:  # what it did after its answer: that leaves all the same
                self.logger.error("Exception in ASGI application\n", exc_info=failure)
        elif failure is not None or not self.response_complete:
            await super().run_asgi(_ending(failure))
        if self.task is not None:
            self._tasks.discard(self.task)


class _News:
    """What is used here of an `asyncio.Event`, which it makes for whoever really waits."""

    __slots__ = ("_event", "_is_set")

    def __init__(self) -> None:
        self._is_set = False
        self._event: asyncio.Event | None = None

    def set(self) -> None:
        self._is_set = True
        if self._event is not None:
            self._event.set()

    def clear(self) -> None:
        self._is_set = False
        if self._event is not None:
            self._event.clear()

    async def wait(self) -> None:
        if not self._is_set:
            if self._event is None:
                self._event = asyncio.Event()
            await self._event.wait()


_default_lines: tuple[list[tuple[bytes, bytes]], bytes] = ([], b"")


def _lines_of(headers: list[tuple[bytes, bytes]]) -> bytes:
    """The server's own headers as lines; the list is another one each second, for the date."""
    global _default_lines  # noqa: PLW0603  # a cache of one
    if _default_lines[0] is not headers:
        _default_lines = headers, b"".join(b"%b: %b\r\n" % header for header in headers)
    return _default_lines[1]


_LENGTH, _FRAME = b"content-length", b"frame"
_known_lines: dict[tuple[bytes, bytes], bytes] = {}


def _line_of(name: bytes, value: bytes) -> bytes:
    """The header's line; or _LENGTH, or _FRAME, or of one in OURS as good as nothing.

    Kept: an API's answers have few different headers.
    """
    lower = name.lower()
    if lower == b"content-length":
        return _LENGTH
    if lower in _FRAMING:
        return _FRAME
    if lower in OURS:
        return b""
    if HEADER_RE.search(lower):
        raise RuntimeError("Invalid HTTP header name.")
    if HEADER_VALUE_RE.search(value):
        raise RuntimeError("Invalid HTTP header value.")
    line = b"%b: %b\r\n" % (lower, value)
    if len(line) <= _LONGEST_KEPT:
        if len(_known_lines) >= _MOST_LINES:
            _known_lines.clear()
        _known_lines[name, value] = line
    return line


def _ending(failure: BaseException | None) -> ASGI3Application:
    async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if failure is not None:
            raise failure

    return app


def _nothing() -> None:
    pass
