"""A raw client of the portal's websocket, as an attacker would write it."""

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import websockets

from app.ui.guard import NAVIGATION_EVENTS

NAMESPACE = "/_event"
SHOW_FAILURE = "reflex___state____state.app___ui___state____portal_state.show_failure"
HYDRATE = "reflex___state____state.hydrate"
ANSWER_SECONDS = 10


@dataclass
class PortalSocket:
    """One open socket; `frames` is everything the server sent, as text."""

    connection: websockets.ClientConnection
    frames: list[str] = field(default_factory=list)
    marks: int = 0

    @property
    def heard(self) -> str:
        return "\n".join(self.frames)

    async def send(self, event: str, payload: dict, path: str = "/keys"):
        body = {
            "name": event,
            "payload": payload,
            "router_data": {"pathname": path, "asPath": path, "query": {}},
            "token": "ignored",
        }
        await self.connection.send(f"42{NAMESPACE},{json.dumps(['event', body])}")

    async def call(self, event: str, payload: dict | None = None, path: str = "/keys") -> str:
        """Send one event and return what came back until it was handled.

        Events of one socket are handled in order, so a mark sent behind it says when. A
        socket whose session has ended gets a redirect for the mark instead, and one for the
        event unless that only changes pages.
        """
        redirects = 1 if event in NAVIGATION_EVENTS else 2
        start = len(self.frames)
        self.marks += 1
        mark = f"mark-{self.marks}-end"
        await self.send(event, payload or {}, path)
        await self.send(SHOW_FAILURE, {"message": mark}, path)
        async with asyncio.timeout(ANSWER_SECONDS):
            while True:
                answer = "\n".join(self.frames[start:])
                if mark in answer or answer.count('"_redirect"') >= redirects:
                    return answer
                await self._receive()

    async def _receive(self):
        frame = await self.connection.recv()
        if frame == "2":
            await self.connection.send("3")
        else:
            self.frames.append(frame)


@asynccontextmanager
async def open_socket(
    public_url: str, *, client_token: str, cookie: str | None = None, origin: str | None = ""
):
    """Connect as a browser would; `origin=None` sends no Origin, "" the right one."""
    host = urlsplit(public_url).netloc
    headers = {"Cookie": cookie} if cookie else {}
    address = f"ws://{host}/_event/?EIO=4&transport=websocket&token={client_token}"
    chosen = public_url if origin == "" else origin
    async with websockets.connect(
        address, origin=chosen, additional_headers=headers, max_size=None
    ) as connection:
        socket = PortalSocket(connection)
        await socket._receive()
        await connection.send(f"40{NAMESPACE},{{}}")
        await socket._receive()
        yield socket
