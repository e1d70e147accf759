"""Connections to the database, and statements on them that end in a stated time."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, LiteralString

import psycopg
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolClosed, TooManyRequests

logger = logging.getLogger(__name__)

DATABASE_SECONDS = 5.0
"""The longest that one statement, with all its retries, may keep a request waiting."""

_WAIT_SECONDS = 1.0  # for a connection, before asking again: asking is what makes the pool grow
_FIRST_PAUSE_SECONDS = 0.01
_LONGEST_PAUSE_SECONDS = 0.5


class DatabaseUnavailable(Exception):
    """The statement did not succeed in its time, or was refused; whether it took hold is open."""


class BoundedPool:
    """Runs idempotent statements, each a transaction of its own, each in a bounded time.

    A lost connection, also one that died before it said whether it committed, is answered by
    running the statement again: so every statement given here must bear being run twice.
    """

    def __init__(
        self, *, size: int, max_waiting: int = 0, seconds: float = DATABASE_SECONDS
    ) -> None:
        self._size = size
        self._max_waiting = max_waiting
        self._seconds = seconds
        self._pool: AsyncConnectionPool | None = None
        self._running: set[asyncio.Task[list[TupleRow]]] = set()

    async def open(self, url: str) -> None:
        """Begin to connect. Does not wait, and does not fail while the database is away."""
        self._pool = AsyncConnectionPool(
            url,
            min_size=1,
            max_size=self._size,
            open=False,
            max_waiting=self._max_waiting,
            # Given up early, so that the next request tries anew instead of a long back-off.
            reconnect_timeout=_WAIT_SECONDS,
            kwargs={"autocommit": True, "prepare_threshold": None, "connect_timeout": 2},
        )
        await self._pool.open(wait=False)

    async def close(self) -> None:
        """Wait for the statements that are running, then disconnect; both boundedly."""
        if self._running:
            await asyncio.wait(self._running, timeout=self._seconds)
        for task in self._running:
            task.cancel()
        if self._pool is not None:
            await self._pool.close(timeout=self._seconds)

    async def run(self, statement: LiteralString, params: Mapping[str, Any]) -> list[TupleRow]:
        """The statement's rows, once it has committed. Raises DatabaseUnavailable.

        It runs in a task of its own: whoever waits may be cancelled, the statement is not; and
        a connection that does not even answer the request to cancel keeps nobody waiting.
        """
        task = asyncio.create_task(self._until_done(statement, params))
        self._running.add(task)
        task.add_done_callback(self._forget)
        done, _ = await asyncio.wait({task}, timeout=self._seconds)
        if not done:
            task.cancel()
            raise DatabaseUnavailable("no answer from the database in time")
        return task.result()

    def _forget(self, task: asyncio.Task[list[TupleRow]]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # taken note of, should nobody be waiting any more

    async def _until_done(
        self, statement: LiteralString, params: Mapping[str, Any]
    ) -> list[TupleRow]:
        deadline = asyncio.get_running_loop().time() + self._seconds
        pause_seconds = _FIRST_PAUSE_SECONDS
        while True:
            try:
                return await self._once(statement, params)
            except (PoolClosed, TooManyRequests) as error:
                raise DatabaseUnavailable(str(error)) from error
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                if asyncio.get_running_loop().time() + pause_seconds > deadline:
                    raise DatabaseUnavailable(str(error)) from error
                logger.warning("the database did not answer, asking again: %s", error)
            except psycopg.Error as error:
                raise DatabaseUnavailable(str(error)) from error
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(2 * pause_seconds, _LONGEST_PAUSE_SECONDS)

    async def _once(self, statement: LiteralString, params: Mapping[str, Any]) -> list[TupleRow]:
        if self._pool is None:
            raise DatabaseUnavailable("the meter has not been started")
        async with self._pool.connection(timeout=_WAIT_SECONDS) as connection:
            cursor = await connection.execute(statement, params)
            return await cursor.fetchall() if cursor.description else []
