"""What becomes of calls while another program holds every connection that PostgreSQL gives."""

import asyncio
import time

import httpx
import psycopg

from tests.faults.afterwards import Report, check_afterwards
from tests.faults.api_process import ApiProcess
from tests.faults.callers import Callers, Key
from tests.faults.own_server import OwnServer

MAX_CONNECTIONS = 20
TAKEN_SECONDS = 6
"""Longer than a row or a look-up may wait: so calls must be refused meanwhile."""
READY_SECONDS = 10

_OTHERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE backend_type = 'client backend' AND pid <> ALL (%s)"
)


async def test_calls_go_on_after_every_connection_was_taken(
    server: OwnServer, api: ApiProcess, server_keys: list[Key], report: Report
) -> None:
    await asyncio.to_thread(server.set_at_restart, "max_connections", MAX_CONNECTIONS)
    async with Callers([api.url], server_keys) as callers:
        await callers.seconds_until_served()
        await callers.some_answers()
        taken = await asyncio.to_thread(_take_every_connection, server.url)
        began = time.monotonic()
        try:
            await asyncio.sleep(TAKEN_SECONDS)
            async with httpx.AsyncClient(timeout=READY_SECONDS) as client:
                ready = (await client.get(f"{api.url}/readyz")).status_code
            ended = time.monotonic()
        finally:
            for connection in taken:
                connection.close()
        back = [await callers.seconds_until_served()]
    await api.stop()
    what = f"all {len(taken)} database connections taken for {TAKEN_SECONDS} s"
    check_afterwards(what, callers, server.url, report, back=back)
    during = [one for one in callers.answered if began < one.ended_at < ended]
    assert [one for one in during if one.status != 503 and one.began_at > began] == []
    assert len([one for one in during if one.status == 503]) >= callers.count
    assert ready == 503


def _take_every_connection(url: str) -> list[psycopg.Connection]:
    """Hold all of them, those kept for administrators too, having cut all others off."""
    mine = [psycopg.connect(url, autocommit=True)]
    while len(mine) < MAX_CONNECTIONS:
        _cut_off_others(mine)
        _take_what_is_free(url, mine)
    return mine


def _cut_off_others(mine: list[psycopg.Connection]) -> None:
    mine[0].execute(_OTHERS, [[connection.info.backend_pid for connection in mine]])


def _take_what_is_free(url: str, mine: list[psycopg.Connection]) -> None:
    while True:
        try:
            mine.append(psycopg.connect(url, autocommit=True))
        except psycopg.OperationalError:
            return
