"""Calls of a suspended account are refused within a second, and work again as soon."""

import asyncio
import time
from typing import Any

from app.accounts import suspension
from tests.conftest import UnitOfWork
from tests.metering.apps import answering
from tests.metering.client import ask
from tests.metering.conftest import Key, StartMeter


async def seconds_until(meter: Any, key: Key, status: int) -> float:
    """How long until calls get this status. Fails after two seconds."""
    began = time.monotonic()
    async with asyncio.timeout(2):
        while (await ask(meter, key=key.secret)).status != status:
            pass
    return time.monotonic() - began


async def test_suspension_and_restoration_hold_within_a_second(
    start_meter: StartMeter, live_key: Key, trial_key: Key, unit_of_work: UnitOfWork
) -> None:
    meter = await start_meter(answering())
    for key in (live_key, trial_key):
        assert (await ask(meter, key=key.secret)).status == 200
        async with unit_of_work() as session:
            await suspension.suspend(session, key.owner_id, reason="abuse", suspended_by="ops")
        assert await seconds_until(meter, key, 403) < 1
        assert (await ask(meter, key=key.secret)).json()["code"] == "account_suspended"
        async with unit_of_work() as session:
            await suspension.restore(session, key.owner_id)
        assert await seconds_until(meter, key, 200) < 1


async def test_other_accounts_calls_go_on(
    start_meter: StartMeter, live_key: Key, trial_key: Key, unit_of_work: UnitOfWork
) -> None:
    meter = await start_meter(answering())
    async with unit_of_work() as session:
        await suspension.suspend(session, live_key.owner_id, reason="abuse", suspended_by="ops")
    await seconds_until(meter, live_key, 403)
    assert (await ask(meter, key=trial_key.secret)).status == 200
