"""Stands between the meter and PostgreSQL, to lose an answer or to fall silent."""

import asyncio
from contextlib import suppress
from urllib.parse import quote

from psycopg.conninfo import conninfo_to_dict

WRITING_CALLS = "\0write_calls_"
"""Holds for what runs the recorder's statement by its name; what prepares it is not that."""

_READY_FOR_QUERY = b"Z\x00\x00\x00\x05"


class DatabaseProxy:
    """Passes bytes on, but for what it was told to do with them.

    `lose_answers_to(text, times)`: let the server do the next statements that hold the text,
    then cut the connection in place of the answer. `fall_silent()`: pass nothing on any more.
    `go_away()` and `come_back()`: as a server that is stopped and started.
    """

    def __init__(self, url: str) -> None:
        self._upstream = conninfo_to_dict(url)
        self._text = b""
        self._answers_to_lose = 0
        self.answers_lost = 0
        self._is_away = False
        self._may_pass = asyncio.Event()
        self._may_pass.set()
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "DatabaseProxy":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._may_pass.set()
        self._server.close()
        for writer in self._writers:
            writer.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def url(self) -> str:
        """How to reach the database through here."""
        port = self._server.sockets[0].getsockname()[1]
        who = quote(str(self._upstream.get("user", "")), safe="")
        if password := self._upstream.get("password"):
            who += f":{quote(str(password), safe='')}"
        database = quote(str(self._upstream["dbname"]), safe="")
        return f"postgresql://{who}@127.0.0.1:{port}/{database}?sslmode=disable"

    def lose_answers_to(self, text: str, times: int) -> None:
        self._text = text.encode()
        self._answers_to_lose = times

    def fall_silent(self) -> None:
        self._may_pass.clear()

    def go_away(self) -> None:
        self._is_away = True
        for writer in self._writers:
            writer.close()

    def come_back(self) -> None:
        self._is_away = False

    def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.add(asyncio.create_task(self._join(reader, writer)))

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_away:
            writer.close()
            return
        server_reader, server_writer = await self._connect()
        self._writers += [writer, server_writer]
        losing = asyncio.Event()
        await asyncio.gather(
            self._forward(reader, server_writer, losing),
            self._backward(server_reader, writer, losing),
        )

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, port = str(self._upstream["host"]), self._upstream.get("port") or "5432"
        if host.startswith("/"):
            return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        return await asyncio.open_connection(host, int(port))

    async def _forward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, losing: asyncio.Event
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                await self._may_pass.wait()
                if self._answers_to_lose and self._text in data:
                    self._answers_to_lose -= 1
                    losing.set()
                writer.write(data)
                await writer.drain()
        writer.close()

    async def _backward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, losing: asyncio.Event
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                await self._may_pass.wait()
                if losing.is_set():
                    if _READY_FOR_QUERY in data:
                        self.answers_lost += 1
                        break
                    continue
                writer.write(data)
                await writer.drain()
        writer.close()
