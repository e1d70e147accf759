"""The HTTP server: its protocol, without what it would let a client do, and its processes."""

import sys
from contextlib import suppress

from uvicorn import Config, Server
from uvicorn.config import STARTUP_FAILURE
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.supervisors import Multiprocess

MAX_HEAD_BYTES = 64 * 1024
"""Request line and headers together; beyond, the connection is closed."""


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's, but request heads have an end, and trailers are dropped.

    A head without an end would fill the memory. It is counted by what arrives while it is
    open, so one read more may come in. Trailers (RFC 9110, 6.5.1) uvicorn puts among the
    headers, where they would pass for what a proxy before us has checked or added, such as
    the last entry of `X-Forwarded-For`.
    """

    _in_head = False
    _head_bytes = 0

    def on_message_begin(self) -> None:
        """A request begins: its head is open."""
        self._in_head, self._head_bytes = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head is read: from here on the parser's headers are trailers."""
        self._in_head = False
        super().on_headers_complete()
        if not self.parser.should_upgrade():  # a websocket's headers are read again later
            self.headers = []

    def data_received(self, data: bytes) -> None:
        """Parse what came, and give up on a head that is too long."""
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self.transport.close()


class Workers(Multiprocess):
    """uvicorn's, but told to stop, the parent lets go of the port as its workers do.

    While it held on to it, the system still took connections, which nobody answered and which
    broke off when the last worker had drained. Now they are refused at once.
    """

    def terminate_all(self) -> None:
        """Take no more connections, and tell the workers to finish."""
        for listening in self.sockets:
            listening.close()
        super().terminate_all()


def run_server(config: Config) -> None:
    """Serve, in as many processes as the configuration says, until SIGTERM or Ctrl-C."""
    if config.workers > 1:
        Workers(config, sockets=[config.bind_socket()]).run()
        return
    server = Server(config)
    with suppress(KeyboardInterrupt):  # it has stopped cleanly, and says so once more
        server.run()
    if not server.started:
        sys.exit(STARTUP_FAILURE)
