"""The real thing beside the model: a meter on a real database, and what changes its keys."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from types import SimpleNamespace
from typing import Any, TypeVar
from unittest.mock import patch

import psycopg
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from app.billing.plans import Plans
from app.core import database
from app.metering.asgi import Receive, Scope, Send
from app.metering.meter import Meter
from tests.faults.key_model import RATE, TRIAL_UNITS, UNITS
from tests.metering.apps import App, body, start
from tests.metering.client import Reply, ask
from tests.metering.conftest import plans

Result = TypeVar("Result")
Work = Callable[[AsyncSession], Awaitable[Result]]
STATUS = "x-status"


class World:
    """One meter, on an event loop of its own. The time of its buckets is `now`, and stands still.

    A change is heard before `change` returns: by the notification, or, if it is a quiet one that
    no trigger saw, by the look at the keys in use that is otherwise due each 400 ms.
    """

    def __init__(self, url: str, given: Plans | None = None) -> None:
        """`given`: what the plans give; by default so little that it is soon used up."""
        self._url = url
        self._plans = given or plans(units=UNITS, rate=RATE, trial_units=TRIAL_UNITS)
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self._marks = 0
        self._heard = asyncio.Event()
        # near the true one, for calls of our own routes begin by it and keys expire by the clock
        self.now = time.monotonic()
        self.seen: Counter[str] = Counter()
        """How often each outcome was seen: a code, or a status."""

    def __enter__(self) -> "World":
        frozen = SimpleNamespace(monotonic=lambda: self.now)
        self._patch = patch("app.metering.admission.time", frozen)
        self._patch.start()
        self.run(self._start())
        return self

    def __exit__(self, *exc: object) -> None:
        self.run(self._stack.aclose())
        self._runner.close()
        self._patch.stop()

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return self._runner.run(work)

    def change(self, work: Work[Result], *, quietly: bool = False) -> Result:
        """Do this in one unit of work, and return when the meter knows."""
        return self.run(self._change(work, quietly))

    def execute(self, statement: str, *params: Any, quietly: bool = False) -> None:
        """The same for one statement. `params` in its order, or one mapping of their names."""
        given = params[0] if params and isinstance(params[0], dict) else params

        async def work(session: AsyncSession) -> None:
            connection = await (await session.connection()).get_raw_connection()
            assert connection.driver_connection is not None
            await connection.driver_connection.execute(statement, given)

        self.change(work, quietly=quietly)

    def rows(self, statement: str, *params: Any) -> list[Any]:
        with psycopg.connect(self._url) as connection:
            return connection.execute(statement.encode(), params).fetchall()

    def look(self, statement: str, *params: Any) -> list[Any]:
        """The same, by a connection that is there already."""

        async def work() -> list[Any]:
            return await (await self._other.execute(statement.encode(), params)).fetchall()

        return self.run(work())

    def at_once(self, *works: Coroutine[Any, Any, Any]) -> list[Any]:
        """Do these at the same time, and return what came of them when the meter knows."""

        async def gather() -> list[Any]:
            ends = await asyncio.gather(*works, return_exceptions=True)
            await self._until_heard()
            return list(ends)

        return self.run(gather())

    def ask(self, method: str, path: str, **options: Any) -> Reply:
        return self.run(self.asking(method, path, **options))

    async def asking(self, method: str, path: str, **options: Any) -> Reply:
        return await ask(self._meter, method, path, **options)

    def ask_at_once(self, times: int, method: str, path: str, **options: Any) -> list[Reply]:
        async def gather() -> list[Reply]:
            one = (ask(self._meter, method, path, **options) for _ in range(times))
            return list(await asyncio.gather(*one))

        return self.run(gather())

    async def _start(self) -> None:
        self._stack.push_async_callback(database.dispose)
        self._meter = Meter(
            App(_answer),
            database_url=lambda: self._url,
            max_body_bytes=1024,
            plans=lambda: self._plans,
        )
        self._meter._listener._on_notify = self._hear
        await self._meter.start()
        self._stack.push_async_callback(self._meter.stop)
        connection = await psycopg.AsyncConnection.connect(self._url, autocommit=True)
        self._other = await self._stack.enter_async_context(connection)
        async with asyncio.timeout(10):
            while not self._heard.is_set():
                await self._mark()
                await asyncio.sleep(0.01)

    async def _change(self, work: Work[Result], quietly: bool) -> Result:
        async with database.unit_of_work() as session:
            if quietly:
                connection = await session.connection()
                await connection.execute(text("SET LOCAL session_replication_role = replica"))
            result = await work(session)
        if quietly:
            await self._meter.keys._recheck()
        else:
            await self._until_heard()
        return result

    async def _until_heard(self) -> None:
        await self._mark()
        async with asyncio.timeout(10):
            await self._heard.wait()

    async def _mark(self) -> None:
        """Notifications come in the order of the commits: this one behind all before it."""
        self._heard.clear()
        self._marks += 1
        await self._other.execute(f"NOTIFY latchkey_authority, 'mark:{self._marks}'".encode())

    def _hear(self, note: bytes) -> None:
        self._meter.keys.forget(note)
        if note == b"mark:%d" % self._marks:
            self._heard.set()


async def _answer(scope: Scope, receive: Receive, send: Send) -> None:
    """What the request asks for."""
    await start(send, int(dict(scope["headers"]).get(STATUS.encode(), b"200")))
    await body(send, b"{}")
