"""An acknowledged call survives `kill -9`, and is there once."""

import asyncio
import random

from tests.faults.afterwards import TIMES, Report, check_afterwards
from tests.faults.api_process import ApiProcess
from tests.faults.callers import Callers, Key

MOST_SECONDS_BEFORE_A_KILL = 1.5


async def test_acknowledged_calls_survive_kill_9_and_are_there_once(
    api: ApiProcess, keys: list[Key], database_url: str, report: Report
) -> None:
    back = []
    async with Callers([api.url], keys) as callers:
        for _ in range(TIMES):
            await _kill_at_some_moment(api, callers)
            served = asyncio.create_task(callers.seconds_until_served())
            await api.start()
            back.append(await served)
        await callers.some_answers()
    await api.stop()
    check_afterwards("kill -9 of the API", callers, database_url, report, back=back)
    assert len({answer.request_id for answer in callers.answered}) == len(callers.answered)


async def _kill_at_some_moment(api: ApiProcess, callers: Callers) -> None:
    await callers.some_answers()
    await asyncio.sleep(random.uniform(0, MOST_SECONDS_BEFORE_A_KILL))
    broken = len(callers.broken)
    await api.kill()
    # it was killed in the midst of work
    await callers.until(lambda now: len(now.broken) > broken)
