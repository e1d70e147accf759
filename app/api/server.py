"""The HTTP server's protocol, without what it would let a client do."""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's, but trailers are dropped (RFC 9110, 6.5.1).

    uvicorn puts them among the headers, where they would pass for what a proxy before us has
    checked or added, such as the last entry of `X-Forwarded-For`.
    """

    def on_headers_complete(self) -> None:
        """The head is read: from here on the parser's headers are trailers."""
        super().on_headers_complete()
        if not self.parser.should_upgrade():  # a websocket's headers are read again later
            self.headers = []
