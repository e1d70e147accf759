"""One request and its answer, with a short way for the meter past uvicorn's."""

from uvicorn._types import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, Scope
from uvicorn.protocols.http.httptools_impl import (
    HEADER_RE,
    HEADER_VALUE_RE,
    STATUS_LINE,
    RequestResponseCycle,
)

from app.metering.asgi import BODY_FAULT, Headers

_BODILESS = frozenset({204, 304})
_FRAMING = frozenset({b"connection", b"transfer-encoding"})
_MOST_NAMES = 1000


class Exchange(RequestResponseCycle):
    """uvicorn's request and response, and besides a short way for the meter (`asgi.Exchange`).

    uvicorn writes an answer in two messages, looks at each header with two expressions, and
    wants its app to live until the last byte: a third of what a metered call costs in Python.
    """

    _is_promised = False

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
        body = bytes(self.body)
        self.body = bytearray()
        self.message_event.clear()  # the next `receive` waits for the client's going away
        return body

    def promise(self) -> None:
        """The answer will come by `respond`, perhaps after the app has returned."""
        self._is_promised = True

    def frame(self, status: int, headers: Headers, body_bytes: int) -> bytes | None:
        """The head of a whole answer, but for its end.

        None if it has to be framed in another way than by its length. Raises RuntimeError for
        a header that is none.
        """
        if self.scope["method"] == "HEAD" or status in _BODILESS:
            return None
        lines = [STATUS_LINE[status], _lines_of(self.default_headers)]
        values = []
        length = b"%d" % body_bytes
        for name, value in headers:
            lower = name.lower()
            if lower in _FRAMING or (lower == b"content-length" and value != length):
                return None
            if lower != b"content-length":
                _require_name(lower)
                values.append(value)
                lines.append(b"%b: %b\r\n" % (lower, value))
        if HEADER_VALUE_RE.search(b"".join(values)):
            raise RuntimeError("Invalid HTTP header value.")
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


_default_lines: tuple[list[tuple[bytes, bytes]], bytes] = ([], b"")


def _lines_of(headers: list[tuple[bytes, bytes]]) -> bytes:
    """The server's own headers as lines; the list is another one each second, for the date."""
    global _default_lines  # noqa: PLW0603  # a cache of one
    if _default_lines[0] is not headers:
        _default_lines = headers, b"".join(b"%b: %b\r\n" % header for header in headers)
    return _default_lines[1]


_good_names: set[bytes] = set()


def _require_name(name: bytes) -> None:
    if name not in _good_names:
        if HEADER_RE.search(name):
            raise RuntimeError("Invalid HTTP header name.")
        if len(_good_names) >= _MOST_NAMES:
            _good_names.clear()
        _good_names.add(name)


def _ending(failure: BaseException | None) -> ASGI3Application:
    async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if failure is not None:
            raise failure

    return app


def _nothing() -> None:
    pass
