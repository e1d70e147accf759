"""An API of the operator's, somewhere else: it keeps what reached it, byte for byte."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass, field

import uvicorn

from app.metering.asgi import ASGIApp
from app.metering.proxy import Proxy
from app.metering.upstream import Timeouts, Upstream

PATIENCE_SECONDS = 10


@dataclass
class Received:
    """One request as it came: the head's bytes, and what they say."""

    head: bytes
    body: bytes
    reader: asyncio.StreamReader

    async def until_gone(self) -> None:
        """Return when the other side has closed the connection."""
        await self.reader.read()

    @property
    def method(self) -> str:
        return self.head.split(b" ", 1)[0].decode()

    @property
    def target(self) -> bytes:
        return self.head.split(b"\r\n", 1)[0].split(b" ", 1)[1].removesuffix(b" HTTP/1.1")

    @property
    def headers(self) -> list[tuple[str, str]]:
        lines = self.head.decode("latin-1").split("\r\n")[1:-2]
        return [
            (name.lower(), value.strip()) for name, _, value in (x.partition(":") for x in lines)
        ]

    def all(self, name: str) -> list[str]:
        return [value for found, value in self.headers if found == name]


Respond = Callable[[Received, asyncio.StreamWriter], Awaitable[None]]


def http(body: bytes = b"{}", *headers: str, status: str = "200 OK") -> bytes:
    """An answer with its length, as bytes on the wire."""
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def chunk(part: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(part), part)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@dataclass
class UpstreamServer:
    """A server on loopback. It answers with `answer`, or as `respond` does."""

    answer: bytes = field(default_factory=http)
    respond: Respond | None = None
    accepted: int = 0
    requests: list[Received] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def last(self) -> Received:
        return self.requests[-1]

    @asynccontextmanager
    async def running(self) -> AsyncIterator["UpstreamServer"]:
        conversations: set[asyncio.Task[None]] = set()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.accepted += 1
            conversations.add(asyncio.create_task(self._converse(reader, writer)))

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for conversation in conversations:
                conversation.cancel()
            await asyncio.gather(*conversations, return_exceptions=True)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                while not writer.is_closing():
                    await self._serve(reader, writer)
        finally:
            self.gone.set()
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received = Received(await reader.readuntil(b"\r\n\r\n"), b"", reader)
        lengths = received.all("content-length")
        received.body = await reader.readexactly(int(lengths[0])) if lengths else b""
        self.requests.append(received)
        self.asked.set()
        if self.respond is not None:
            await self.respond(received, writer)
        else:
            writer.write(self.answer)
        await writer.drain()


def proxy_to(url: str, *, connect: float = 5, read: float = 5, **options: object) -> Proxy:
    """A proxy with short patience; `connections` and `proxy_hops` as the real ones."""
    hops = int(str(options.pop("proxy_hops", 0)))
    upstream = Upstream(url, timeouts=Timeouts(connect, read), **options)  # type: ignore[arg-type]  # only `connections` is left
    return Proxy(upstream, public_url="https://api.example.com", proxy_hops=hops)


class _Server(uvicorn.Server):
    def capture_signals(self) -> nullcontext[None]:  # type: ignore[override]  # pytest keeps its own
        return nullcontext()


@asynccontextmanager
async def listening(app: ASGIApp) -> AsyncIterator[int]:
    """The port of the server that stands before the meter in production, around this app."""
    config = uvicorn.Config(
        app,
        port=0,
        http="app.api.server:HttpProtocol",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=1,
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.001)
        assert not serving.done(), "the server did not start"
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await serving


async def say(port: int, request: bytes) -> bytes:
    """Everything that comes back for these bytes until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    try:
        return await asyncio.wait_for(reader.read(), PATIENCE_SECONDS)
    finally:
        writer.close()


async def get(port: int, target: bytes, *headers: bytes, method: bytes = b"GET") -> bytes:
    """The answer to one request, as bytes on the wire."""
    lines = [method + b" " + target + b" HTTP/1.1", b"Host: api.example.com", *headers]
    return await say(port, b"\r\n".join([*lines, b"Connection: close", b"", b""]))
