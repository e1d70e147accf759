"""An acknowledged call survives `kill -9`, and is there once."""

import asyncio
import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.factories import make_key, make_trial_key, make_user, make_workspace
from tests.faults.api_process import ApiProcess
from tests.faults.callers import Answered, Callers

KILLS = int(os.environ.get("FAULT_COUNT", "3"))
MOST_SECONDS_BEFORE_A_KILL = 1.5

Recorded = tuple[str, str, int]


@pytest.fixture
async def keys(unit_of_work: Any) -> list[tuple[str, str]]:
    """(id, secret) of three live keys and one trial key."""
    async with unit_of_work() as session:
        user = await make_user(session)
        made = [await make_key(session, user) for _ in range(3)]
        trial = await make_trial_key(session, await make_workspace(session, user))
    return [(row.id, secret) for row, secret in [*made, trial]]


@pytest.fixture
async def api(database_url: str, tmp_path: Path) -> AsyncIterator[ApiProcess]:
    process = ApiProcess(database_url, tmp_path)
    yield process
    await process.kill()


async def test_acknowledged_calls_survive_kill_9_and_are_there_once(
    api: ApiProcess,
    keys: list[tuple[str, str]],
    database_url: str,
    report: Callable[[str], None],
) -> None:
    await api.start()
    async with Callers(api.url, keys) as callers:
        for _ in range(KILLS):
            await _kill_at_some_moment(api, callers)
            await api.start()
        await _some_answers(callers)
    await api.stop()
    rows = _recorded(database_url)
    report(_figures(callers, rows))
    assert len({answer.request_id for answer in callers.answered}) == len(callers.answered)
    assert _not_there_once(callers.acknowledged, rows) == []
    assert len(rows) <= len(callers.answered) + callers.broken


async def _kill_at_some_moment(api: ApiProcess, callers: Callers) -> None:
    await _some_answers(callers)
    await asyncio.sleep(random.uniform(0, MOST_SECONDS_BEFORE_A_KILL))
    broken = callers.broken
    await api.kill()
    await callers.until(lambda now: now.broken > broken)  # it was killed in the midst of work


async def _some_answers(callers: Callers) -> None:
    """Return when each client has had an answer, on average."""
    enough = len(callers.answered) + callers.count
    await callers.until(lambda now: len(now.answered) >= enough)


def _recorded(database_url: str) -> list[Recorded]:
    """(id, key, status) of every row, live and trial."""
    with psycopg.connect(database_url) as connection:
        return connection.execute(
            'SELECT id, "apiKeyId", "statusCode" FROM "ApiCall" UNION ALL '
            'SELECT id, "apiKeyId", "statusCode" FROM latchkey."TrialApiCall"'
        ).fetchall()


def _not_there_once(acknowledged: list[Answered], rows: list[Recorded]) -> list[Answered]:
    """The answers without exactly one row of their id, key and status."""
    ids = Counter(row[0] for row in rows)
    there = set(rows)
    return [
        answer
        for answer in acknowledged
        if ids[answer.request_id] != 1
        or (answer.request_id, answer.key_id, answer.status) not in there
    ]


def _figures(callers: Callers, rows: list[Recorded]) -> str:
    acknowledged = {answer.request_id for answer in callers.acknowledged}
    statuses = Counter(answer.status for answer in callers.answered)
    recorded = {row[0] for row in rows}
    return (
        f"kill -9 of the API, {KILLS} times: {len(acknowledged)} calls acknowledged, "
        f"{len(acknowledged & recorded)} of them recorded; {len(recorded - acknowledged)} recorded "
        f"without being acknowledged; {callers.broken} broken off; answers {dict(statuses)}"
    )
