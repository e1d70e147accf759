"""What becomes of calls while PostgreSQL crashes, freezes or is locked."""

import asyncio
import os
import random
import shutil
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from app.core import database
from tests.conftest import _new_home
from tests.factories import make_key, make_trial_key, make_user, make_workspace
from tests.faults.api_process import ApiProcess
from tests.faults.callers import Callers
from tests.faults.own_server import OwnServer
from tests.metering.database_proxy import DatabaseProxy

TIMES = int(os.environ.get("FAULT_COUNT", "3"))
FROZEN_SECONDS = 10
LOCKED_SECONDS = 5
BACK_SECONDS = 5
LONGEST_SECONDS = 11
"""A look-up and a row may take 5 seconds each; the rest is for the two cores."""


@pytest.fixture
def server() -> Iterator[OwnServer]:
    home = _new_home()
    own = OwnServer(home)
    database.point_at(own.url)
    yield own
    database.point_at(None)
    own.stop()
    shutil.rmtree(home)


@pytest.fixture
async def keys(server: OwnServer) -> list[tuple[str, str]]:
    """(id, secret) of three live keys and one trial key."""
    async with database.unit_of_work() as session:
        user = await make_user(session)
        made: list[Any] = [await make_key(session, user) for _ in range(3)]
        made.append(await make_trial_key(session, await make_workspace(session, user)))
    await database.dispose()
    return [(row.id, secret) for row, secret in made]


@pytest.fixture
async def api(server: OwnServer, tmp_path: Path) -> AsyncIterator[ApiProcess]:
    process = ApiProcess(server.url, tmp_path)
    await process.start()
    yield process
    await process.kill()


async def test_acknowledged_calls_survive_immediate_restarts(
    server: OwnServer, api: ApiProcess, keys: list[tuple[str, str]], report: Callable[[str], None]
) -> None:
    back = []
    async with Callers(api.url, keys) as callers:
        for _ in range(TIMES):
            await some_answers(callers)
            await asyncio.sleep(random.uniform(0, 1))
            await asyncio.to_thread(server.crash)
            await asyncio.to_thread(server.start_again)
            back.append(await seconds_until_served(callers))
    await api.stop()
    say_and_check("PostgreSQL immediate restart", TIMES, callers, server, back, report)


async def test_calls_end_in_bounded_time_while_postgresql_is_frozen(
    server: OwnServer, api: ApiProcess, keys: list[tuple[str, str]], report: Callable[[str], None]
) -> None:
    async with Callers(api.url, keys) as callers:
        await some_answers(callers)
        server.freeze()
        try:
            await asyncio.sleep(FROZEN_SECONDS)
        finally:
            server.thaw()
        back = [await seconds_until_served(callers)]
    await api.stop()
    say_and_check("PostgreSQL frozen for 10 s", 1, callers, server, back, report)


async def test_calls_go_on_after_the_log_was_locked(
    server: OwnServer, api: ApiProcess, keys: list[tuple[str, str]], report: Callable[[str], None]
) -> None:
    async with Callers(api.url, keys) as callers:
        await some_answers(callers)
        async with await psycopg.AsyncConnection.connect(server.url) as other:
            await other.execute('LOCK TABLE "ApiCall" IN ACCESS EXCLUSIVE MODE')
            await asyncio.sleep(LOCKED_SECONDS)
        back = [await seconds_until_served(callers)]
    await api.stop()
    say_and_check("ApiCall locked for 5 s", 1, callers, server, back, report)


async def test_lost_answers_to_commits_lose_and_double_nothing(
    server: OwnServer,
    keys: list[tuple[str, str]],
    tmp_path: Path,
    report: Callable[[str], None],
) -> None:
    back = []
    async with DatabaseProxy(server.url) as proxy:
        api = ApiProcess(proxy.url, tmp_path)
        await api.start()
        async with Callers(api.url, keys) as callers:
            for _ in range(TIMES):
                await some_answers(callers)
                proxy.lose_answers_to("record_calls", times=1)
                back.append(await seconds_until_served(callers))
        await api.stop()
        assert proxy.answers_lost == TIMES
    say_and_check("answer to a COMMIT lost", TIMES, callers, server, back, report)


async def some_answers(callers: Callers) -> None:
    """Return when each client has had an answer, on average."""
    enough = len(callers.answered) + callers.count
    await callers.until(lambda now: len(now.answered) >= enough)


async def seconds_until_served(callers: Callers) -> float:
    """How long it takes from now on until there is a good answer again."""
    began, before = time.monotonic(), sum(one.status == 200 for one in callers.answered)
    await callers.until(
        lambda now: sum(one.status == 200 for one in now.answered) > before, seconds=60
    )
    return time.monotonic() - began


def say_and_check(
    what: str,
    times: int,
    callers: Callers,
    server: OwnServer,
    back: list[float],
    report: Callable[[str], None],
) -> None:
    """Acknowledged is recorded, once; counters equal the log; nobody waited too long."""
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("SELECT latchkey.fold_usage()")
        log = connection.execute(
            'SELECT id, units FROM "ApiCall" UNION ALL SELECT id, units '
            'FROM latchkey."TrialApiCall"'
        ).fetchall()
        counted = [
            connection.execute(f'SELECT sum(calls), sum(units) FROM latchkey."{table}"').fetchone()
            for table in ("UsageHour", "UsagePeriod")
        ]
    ids = Counter(row[0] for row in log)
    acknowledged = {answer.request_id for answer in callers.acknowledged}
    statuses = dict(Counter(answer.status for answer in callers.answered))
    report(
        f"{what}, {times} times: {len(acknowledged)} calls acknowledged, "
        f"{len(acknowledged & set(ids))} of them recorded; answers {statuses}; "
        f"longest {callers.longest_seconds:.1f} s; back after {max(back):.1f} s at most"
    )
    assert [one for one in acknowledged if ids[one] != 1] == []
    assert {(int(calls), int(units)) for calls, units in counted} == {
        (len(log), sum(units for _, units in log))
    }
    assert callers.longest_seconds < LONGEST_SECONDS
    assert max(back) < BACK_SECONDS
