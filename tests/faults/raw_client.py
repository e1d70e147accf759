"""A client that sends bytes as they are, and reads what comes back."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

ANSWER_SECONDS = 30
_BODILESS = {204, 304}


@dataclass
class Answer:
    """One HTTP answer as it was read."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """What kind of problem it is."""
        assert self.headers["content-type"] == "application/problem+json", self.body
        return str(self.json()["code"])


class _KeepingReader(asyncio.StreamReader):
    """Gives what has come also when the connection broke after it, as a socket does."""

    def set_exception(self, exc: BaseException) -> None:
        """The end of what came."""
        self.feed_eof()


class RawConnection:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        """Send it; a server that has closed meanwhile is no failure of the client's."""
        try:
            self.writer.write(data)
            await self.writer.drain()
        except ConnectionError:
            pass

    async def answer(self, *, to_head: bool = False) -> Answer | None:
        """The next answer, or None where the connection ends before there is one."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                head = await self._reader.readuntil(b"\r\n\r\n")
                lines = head.decode("latin-1").split("\r\n")
                status = int(lines[0].split()[1])
                pairs = (line.partition(":") for line in lines[1:] if line)
                headers = {name.lower(): value.strip() for name, _, value in pairs}
                is_bodiless = to_head or status in _BODILESS or status < 200
                return Answer(status, headers, b"" if is_bodiless else await self._body(headers))
        except asyncio.IncompleteReadError:
            return None

    async def ends(self, *, seconds: float = 5) -> bool:
        """Whether the server closes the connection within this time, whatever it sends before."""
        try:
            async with asyncio.timeout(seconds):
                await self._reader.read()
        except TimeoutError:
            return False
        return True

    async def is_closed(self, *, seconds: float = 5) -> bool:
        """Whether the server closes the connection within this time, sending nothing more."""
        try:
            async with asyncio.timeout(seconds):
                return await self._reader.read(1) == b""
        except TimeoutError:
            return False

    async def _body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding") != "chunked":
            return await self._reader.readexactly(int(headers.get("content-length", "0")))
        body = b""
        while size := int(await self._reader.readuntil(b"\r\n"), 16):
            body += (await self._reader.readexactly(size + 2))[:-2]
        await self._reader.readexactly(2)
        return body


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[RawConnection]:
    """A connection to the server at this URL."""
    parts = urlsplit(url)
    loop = asyncio.get_running_loop()
    reader = _KeepingReader(loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport, _ = await loop.create_connection(lambda: protocol, parts.hostname, parts.port)
    try:
        yield RawConnection(reader, asyncio.StreamWriter(transport, protocol, reader, loop))
    finally:
        transport.abort()


async def ask_raw(url: str, data: bytes, *, to_head: bool = False) -> Answer | None:
    """The answer to these bytes, on a connection of their own."""
    async with connected(url) as connection:
        await connection.send(data)
        return await connection.answer(to_head=to_head)


def request_bytes(
    secret: str | None,
    *headers: str,
    method: str = "POST",
    target: str = "/api/v1/screen",
    body: bytes = b'{"name": "Jane Doe"}',
    has_length: bool = True,
) -> bytes:
    """An ordinary request, with what is to be unusual of it."""
    lines = [f"{method} {target} HTTP/1.1", "host: localhost", *headers]
    if secret is not None:
        lines.append(f"x-api-key: {secret}")
    if body and has_length:
        lines += ["content-type: application/json", f"content-length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


@dataclass
class Timed:
    """One customer's calls, one after the other, for as long as something else goes on."""

    url: str
    secret: str
    seconds: list[float]
    statuses: list[int]

    @classmethod
    def of(cls, url: str, secret: str) -> "Timed":
        return cls(url, secret, [], [])

    async def call_for(self, seconds: float, *, pause_seconds: float = 0.01) -> None:
        """Call, wait for the answer, pause, and so on."""
        end = time.monotonic() + seconds
        async with connected(self.url) as connection:
            while time.monotonic() < end:
                began = time.monotonic()
                await connection.send(request_bytes(self.secret))
                answer = await connection.answer()
                self.seconds.append(time.monotonic() - began)
                self.statuses.append(answer.status if answer else 0)
                await asyncio.sleep(pause_seconds)

    def p99(self) -> float:
        """In milliseconds."""
        return 1000 * sorted(self.seconds)[int(len(self.seconds) * 0.99)]
