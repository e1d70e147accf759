"""With an `Idempotency-Key`, and clients that ask until they know, each work is charged once."""

import asyncio
import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests.factories import make_key, make_user
from tests.faults.api_process import ApiProcess

KILLS = int(os.environ.get("FAULT_COUNT", "3"))
CLIENTS = 16
ANSWERS_BETWEEN_KILLS = 3 * CLIENTS
MOST_SECONDS_BEFORE_A_KILL = 0.3

# As if the dead process's leases had lapsed; what it was still committing is waited for.
_LAPSE = """
    UPDATE latchkey."IdempotencyRecord" SET "expiresAt" = now() AT TIME ZONE 'UTC'
    WHERE NOT "isDone"
"""
_OTHERS_AT_WORK = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'
"""


@dataclass
class Clients:
    """Each asks with a key of its own until it has an answer, then with the next one."""

    url: str
    secret: str
    done: dict[str, bool] = field(default_factory=dict)
    """By key: whether its 200 was an answer given again."""
    others: Counter[str] = field(default_factory=Counter)
    is_stopping: bool = False
    _numbers: Any = field(default_factory=lambda: count(1))
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def until_done(self, keys: int) -> None:
        async with asyncio.timeout(60):
            while len(self.done) < keys:
                self._news.clear()
                await self._news.wait()

    async def run(self) -> None:
        headers = {"Authorization": f"Bearer {self.secret}"}
        async with httpx.AsyncClient(headers=headers, timeout=30) as client:
            while not self.is_stopping:
                await self._ask_until_done(client, f"order-{next(self._numbers)}")

    async def _ask_until_done(self, client: httpx.AsyncClient, key: str) -> None:
        while key not in self.done:
            try:
                reply = await client.post(
                    f"{self.url}/api/v1/screen",
                    json={"name": "Jane Doe"},
                    headers={"Idempotency-Key": key},
                )
            except httpx.TransportError as error:
                self.others[type(error).__name__] += 1
                await asyncio.sleep(0.02)
                continue
            if reply.status_code == 200:
                self.done[key] = "idempotency-replayed" in reply.headers
                self._news.set()
            else:
                self.others[reply.json()["code"]] += 1
                await asyncio.sleep(0.02)


@pytest.fixture
async def secret(unit_of_work: Any) -> str:
    async with unit_of_work() as session:
        _, secret = await make_key(session, await make_user(session))
    return secret


@pytest.fixture
async def api(database_url: str, tmp_path: Path) -> AsyncIterator[ApiProcess]:
    process = ApiProcess(database_url, tmp_path)
    yield process
    await process.kill()


async def test_each_key_is_charged_once_however_often_the_api_dies(
    api: ApiProcess, secret: str, database_url: str, report: Callable[[str], None]
) -> None:
    await api.start()
    clients = Clients(api.url, secret)
    running = [asyncio.create_task(clients.run()) for _ in range(CLIENTS)]
    for _ in range(KILLS):
        await clients.until_done(len(clients.done) + ANSWERS_BETWEEN_KILLS)
        await asyncio.sleep(random.uniform(0, MOST_SECONDS_BEFORE_A_KILL))
        await api.kill()
        await _lapse(database_url)
        await api.start()
    await clients.until_done(len(clients.done) + ANSWERS_BETWEEN_KILLS)
    clients.is_stopping = True
    await asyncio.wait_for(asyncio.gather(*running), 60)
    await api.stop()
    with psycopg.connect(database_url) as connection:
        charged = connection.execute('SELECT count(*) FROM "ApiCall" WHERE units > 0').fetchone()
    again = sum(clients.done.values())
    report(
        f"kill -9 of the API, {KILLS} times, with Idempotency-Keys: {len(clients.done)} keys, "
        f"each charged once; {again} answered again; otherwise {dict(clients.others)}"
    )
    assert charged == (len(clients.done),)


async def _lapse(database_url: str) -> None:
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        at_work = 1
        while at_work:
            cursor = await connection.execute(_OTHERS_AT_WORK)
            [at_work] = await cursor.fetchone() or [0]
        await connection.execute(_LAPSE)
