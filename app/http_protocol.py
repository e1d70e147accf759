"""uvicorn's HTTP protocol with an end to request heads: without one, a head fills memory."""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES = 64 * 1024
"""Request line and headers together; beyond, the connection is closed."""


class BoundedHeadProtocol(HttpToolsProtocol):
    """Closes a connection whose request head does not end within MAX_HEAD_BYTES.

    Counted by what arrives while a head is open, so one read more may come in.
    """

    _in_head = False
    _head_bytes = 0

    def on_message_begin(self) -> None:
        """A request begins: its head is open."""
        self._in_head, self._head_bytes = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head has ended."""
        self._in_head = False
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Parse what came, and give up on a head that is too long."""
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self.transport.close()
