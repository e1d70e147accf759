"""Killed in the middle, at whatever step, an erasure is finished by the next who comes."""

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.jobs import erasure
from app.usage.verify import Range, verify
from tests.api.browser import make_settings
from tests.factories import make_call, make_trial_call, make_user
from tests.flows.customers import Customer, found_in, furnish
from tests.flows.erasing import Stripe, age, ask, is_open, subjects
from tests.flows.killed import STEPS

CALLS = 9


@asynccontextmanager
async def mortals(*given: str) -> AsyncIterator[Callable[[str], Awaitable[int]]]:
    """Lets a process work on the erasure that is killed after a step; says how it ended."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.flows.killed", *given, stdin=PIPE, stdout=PIPE
    )
    assert process.stdin
    assert process.stdout

    async def kill_after(step: str) -> int:
        process.stdin.write(f"{step}\n".encode())
        return int(await asyncio.wait_for(process.stdout.readline(), 60))

    yield kill_after
    process.stdin.close()
    await process.wait()


async def make_busy(unit_of_work: Any, email: str) -> Customer:
    async with unit_of_work() as session:
        customer = await furnish(session, await make_user(session, email=email))
        for hours in range(CALLS):
            moment = customer.user.created_at - timedelta(hours=hours)
            await make_call(session, customer.key, created_at=moment)
            await make_trial_call(session, customer.trial_key, created_at=moment)
    return customer


async def test_erasure_that_is_killed_after_each_step_is_finished(
    unit_of_work: Any, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaving = await make_busy(unit_of_work, "leaves@example.com")
    staying = await make_busy(unit_of_work, "stays@example.com")
    await verify(Range())  # it folds, so that what stays is counted in one place
    before = found_in(database_url, staying.names)
    erasure_id = await ask(leaving)
    given = (database_url, str(tmp_path), erasure_id, leaving.customer_id)
    async with mortals(*given) as kill_after:
        for step in STEPS:
            await age()
            assert await kill_after(step) == -signal.SIGKILL, step
            assert (await verify(Range())).total == 0, step
    settings, stripe = make_settings(tmp_path), Stripe()
    monkeypatch.setattr(erasure, "get_settings", lambda: settings)
    monkeypatch.setattr("app.billing.leaving.get_gateway", lambda: stripe)
    await age()
    await erasure.erase(erasure_id)
    assert not await is_open()
    assert found_in(database_url, leaving.names | leaving.secrets) == {}
    assert found_in(database_url, staying.names) == before
    assert subjects(tmp_path) == ["Your account is being deleted", "Your account is deleted"]
