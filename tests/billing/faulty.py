"""A tiny server in Stripe's place that fails as it is told to."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

HEAD = "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"


class Faulty:
    """`fault`: closed, slow, or a status with a body. Counts what it was asked."""

    def __init__(self, fault: str, status: int = 200, body: str = "{}"):
        self.fault = fault
        self.status = status
        self.body = body
        self.asked: list[bytes] = []
        self.url = ""

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Faulty"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                self.asked.append(head)
                length = _length(head)
                if length:
                    await reader.readexactly(length)
                if self.fault == "closed":
                    break
                if self.fault == "slow":
                    await asyncio.sleep(30)
                body = self.body.encode()
                writer.write(HEAD.format(status=self.status, length=len(body)).encode() + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0
