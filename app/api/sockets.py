"""The websocket protocol, whose refusals carry the server's headers as all answers do."""

from http import HTTPStatus

from uvicorn.protocols.websockets.websockets_impl import WebSocketProtocol
from websockets.datastructures import Headers


class SocketProtocol(WebSocketProtocol):
    """uvicorn's, which sends its default headers only with the socket that it opens."""

    def write_http_response(
        self, status: HTTPStatus, headers: Headers, body: bytes | None = None
    ) -> None:
        """The handshake's answer, whichever it is."""
        for name, value in self.extra_headers:
            if name not in headers:
                headers[name] = value
        super().write_http_response(status, headers, body)

    def send_500_response(self) -> None:
        """What a client gets whose handshake failed on our side."""
        body = b"Internal Server Error"
        headers = Headers(
            [
                ("Content-Type", "text/plain; charset=utf-8"),
                ("Content-Length", str(len(body))),
                ("Connection", "close"),
            ]
        )
        self.write_http_response(HTTPStatus.INTERNAL_SERVER_ERROR, headers, body)
        # the task that waits for the app to decide must not wait for ever
        self.handshake_started_event.set()
