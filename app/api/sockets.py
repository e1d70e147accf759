"""The websocket protocol, whose refusals carry the server's headers as all answers do."""

from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Response


class SocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's, which sends its default headers only with a socket that it opens."""

    def __init__(self, *args: Any, **options: Any) -> None:
        """As uvicorn's; but each answer to a handshake passes by `_send_headed`."""
        super().__init__(*args, **options)
        self._send_response = self.conn.send_response
        self.conn.send_response = self._send_headed  # type: ignore[method-assign]  # uvicorn makes it

    def _send_headed(self, response: Response) -> None:
        for name, value in self.default_headers:
            if name.decode("latin-1") not in response.headers:
                response.headers[name.decode("latin-1")] = value.decode("latin-1")
        self._send_response(response)
