"""What becomes of calls while PostgreSQL crashes, freezes, is locked or loses its answers."""

import asyncio
import random

import psycopg

from tests.faults.afterwards import TIMES, Report, check_afterwards
from tests.faults.api_process import ApiProcess
from tests.faults.callers import Callers, Key
from tests.faults.conftest import StartApi
from tests.faults.own_server import OwnServer
from tests.metering.database_proxy import WRITING_CALLS, DatabaseProxy

RESTARTS = min(TIMES, 10)
FROZEN_SECONDS = 10
LOCKED_SECONDS = 5


async def test_acknowledged_calls_survive_immediate_restarts(
    server: OwnServer, api: ApiProcess, server_keys: list[Key], report: Report
) -> None:
    back = []
    async with Callers([api.url], server_keys) as callers:
        for _ in range(RESTARTS):
            await callers.some_answers()
            await asyncio.sleep(random.uniform(0, 1))
            await asyncio.to_thread(server.crash)
            await asyncio.to_thread(server.start_again)
            back.append(await callers.seconds_until_served())
    await api.stop()
    check_afterwards("PostgreSQL immediate restart", callers, server.url, report, back=back)


async def test_calls_end_in_bounded_time_while_postgresql_is_frozen(
    server: OwnServer, api: ApiProcess, server_keys: list[Key], report: Report
) -> None:
    async with Callers([api.url], server_keys) as callers:
        await callers.some_answers()
        server.freeze()
        try:
            await asyncio.sleep(FROZEN_SECONDS)
        finally:
            server.thaw()
        back = [await callers.seconds_until_served()]
    await api.stop()
    what = f"PostgreSQL frozen for {FROZEN_SECONDS} s"
    check_afterwards(what, callers, server.url, report, back=back)


async def test_calls_go_on_after_the_log_was_locked(
    api: ApiProcess, keys: list[Key], database_url: str, report: Report
) -> None:
    async with Callers([api.url], keys) as callers:
        await callers.some_answers()
        async with await psycopg.AsyncConnection.connect(database_url) as other:
            await other.execute('LOCK TABLE "ApiCall" IN ACCESS EXCLUSIVE MODE')
            await asyncio.sleep(LOCKED_SECONDS)
        back = [await callers.seconds_until_served()]
    await api.stop()
    what = f"ApiCall locked for {LOCKED_SECONDS} s"
    check_afterwards(what, callers, database_url, report, back=back)


async def test_lost_answers_to_commits_lose_and_double_nothing(
    start_api: StartApi, keys: list[Key], database_url: str, report: Report
) -> None:
    back = []
    async with DatabaseProxy(database_url) as proxy:
        api = await start_api(proxy.url)
        async with Callers([api.url], keys) as callers:
            for _ in range(TIMES):
                await callers.some_answers()
                proxy.lose_answers_to(WRITING_CALLS, times=1)
                back.append(await callers.seconds_until_served())
        await api.stop()
        assert proxy.answers_lost == TIMES
    check_afterwards("answer to a COMMIT lost", callers, database_url, report, back=back)
